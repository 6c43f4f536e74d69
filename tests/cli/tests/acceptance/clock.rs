//! The wall clock decides nothing: a device that believes in 1970 or 2100 gives the same verdicts.

use std::process::Command;
use tests_cli::clock;
use tests_cli::run::run;
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

const YEAR_1970: u64 = 60;
const YEAR_2100: u64 = 4_102_444_800;

/// Good, expired and forged files get the same answer, to the last byte, under three clocks; host and device.
#[test]
fn verdicts_do_not_depend_on_the_clock() {
    let world = World::new();
    let base = images::image(21, 96);
    world.write("v1.img", &base);
    world.write("v2.img", images::update(&base, 22, 12));
    let delta = Making::delta("v1.img", "v2.img", "2.0");
    world.make("good.stella", &Making { more: &["--time", "1700000000"], ..delta.clone() });
    world.make(
        "expired.stella",
        &Making { more: &["--time", "1700000000", "--expires", "1600000000"], ..delta.clone() },
    );
    world.make(
        "lasting.stella",
        &Making { more: &["--time", "1700000000", "--expires", "1800000000"], ..delta.clone() },
    );
    world.make("forged.stella", &Making { key: "stranger.key", ..delta });
    let device = Device::new(&world, "device", &base);

    let library = clock::library(world.folder());
    let year = |seconds| {
        let mut date = Command::new("date");
        clock::set(date.args(["-u", "+%Y"]), &library, seconds);
        run(&mut date).expect(0).out.trim().to_owned()
    };
    assert_eq!([year(YEAR_1970), year(YEAR_2100)], ["1970", "2100"], "the clock library works");

    for (file, code) in [("good.stella", 0), ("lasting.stella", 0), ("expired.stella", 6), ("forged.stella", 5)] {
        let path = world.path(file).display().to_string();
        let device_says = |seconds: Option<u64>| {
            let mut command = device.command(&["verify", &path]);
            seconds.into_iter().for_each(|seconds| clock::set(&mut command, &library, seconds));
            run(&mut command).expect(code).out
        };
        let now = device_says(None);
        assert_eq!([device_says(Some(YEAR_1970)), device_says(Some(YEAR_2100))], [now.clone(), now], "{file}");
        let host_says = |seconds: Option<u64>| {
            let mut command = world.command(&["--json", "delta", "verify", "--trust", "fleet.trust", file]);
            seconds.into_iter().for_each(|seconds| clock::set(&mut command, &library, seconds));
            let run = run(&mut command);
            (run.code, run.out)
        };
        let now = host_says(None);
        assert_eq!([host_says(Some(YEAR_1970)), host_says(Some(YEAR_2100))], [now.clone(), now], "{file}");
    }
    // The install itself does not look at the clock either.
    let mut install = device.command(&["install", &world.path("lasting.stella").display().to_string()]);
    clock::set(&mut install, &library, YEAR_2100);
    let _ = run(&mut install).expect(4);
}
