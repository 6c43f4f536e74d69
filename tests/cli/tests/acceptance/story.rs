//! The main path, from two images on a publisher's desk to a committed update on a device.

use serde_json::json;
use tests_cli::server::Server;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

/// One update, published on a web server, is found, fetched, installed, tried, committed, and then there is nothing to do.
#[test]
fn an_update_from_the_desk_to_the_device() {
    let world = World::new();
    let base = images::image(1, 1024);
    let target = images::update(&base, 2, 160);
    world.write("v1.img", &base);
    world.write("v2.img", &target);
    let made = world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0")).json();
    let fetch_bytes = made["fetch_bytes"].as_u64().expect("a number");
    assert!(fetch_bytes < 256 * 1024, "a delta is smaller than its image: {made}");
    world.do_stella(&["delta", "verify", "--trust", "fleet.trust", "v2.stella"]);
    let apply = ["delta", "apply", "--trust", "fleet.trust", "--base", "v1.img", "--target", "out.img", "v2.stella"];
    world.do_stella(&apply);
    assert_eq!(world.read("out.img"), target);
    world.publish(&["v2.stella"]);

    let server = Server::start(&world.path("site"));
    let device = Device::new(&world, "device", &base);
    let settings = format!(
        "source = \"{}\"\nchannel = \"stable\"\n[health]\ncommands = [\"test -e healthy\"]\n",
        server.url("stable")
    );
    device.configure(&settings);
    let found = device.agent(&["check"]).expect(0).json();
    assert_eq!((&found["code"], &found["data"]["version"]), (&json!("update-available"), &json!("2.0")));
    assert_eq!(found["data"]["fetch_bytes"], fetch_bytes);

    let installed = device.agent(&["install"]).expect(4).json();
    assert_eq!(installed["code"], "reboot-required");
    assert!(device.holds("b", &target) && device.holds("a", &base));
    let fetched = installed["data"]["fetched_bytes"].as_u64().expect("a number");
    assert!(fetched <= fetch_bytes, "{fetched} of {fetch_bytes} bytes fetched");
    let written = installed["data"]["written_bytes"].as_u64().expect("a number");
    assert!(written <= target.len() as u64);
    assert_eq!(device.boot_record(), "stella-boot v1\ndefault a\ntrial b 3\nend\n");
    let again = device.agent(&["install"]).expect(4);
    assert_eq!(again.word(), "reboot-required", "{again}");

    assert_eq!(device.power_on(), "B");
    assert_eq!(device.boot_record(), "stella-boot v1\ndefault a\ntrial b 2\nend\n");
    let status = device.status();
    assert_eq!((&status["running"], &status["boot"]["trial"]["tries_left"]), (&json!("B"), &json!(2)));
    device.write("healthy", "");
    let settled = device.agent(&["commit"]).expect(0);
    assert_eq!(settled.word(), "committed");
    assert_eq!(device.boot_record(), "stella-boot v1\ndefault b\nend\n");

    let status = device.status();
    let expected = json!({"running": "B", "state": "idle", "version_floor": "2.0"});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&status[name], value, "{name} in {status}");
    }
    assert_eq!(status["slots"]["B"]["version"], "2.0");
    assert_eq!(status["slots"]["B"]["sha256"], made["target_sha256"]);
    assert_eq!(status["last"]["ended"], "committed");
    let history = device.agent(&["history"]).expect(0).json();
    assert_eq!(history["data"].as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(history["data"][0]["version"], "2.0");
    let _ = device.agent(&["slots", "verify"]).expect(0);
    assert_eq!(device.agent(&["install"]).expect(3).word(), "up-to-date");
    assert_eq!(device.agent(&["install", &server.url("stable/v2.stella")]).expect(3).word(), "already-installed");
    assert_eq!(device.agent(&["check"]).expect(3).word(), "up-to-date");
    let _ = device.plain(&["doctor"]).expect(0);
}
