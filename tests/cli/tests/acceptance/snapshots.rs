//! What the programs print, kept as files: help, errors with their hints, the shapes of JSON. A change shows up as a
//! difference that a person has to accept.

use std::fmt::Write;
use tests_cli::run::Run;
use tests_cli::snapshot::{alike, check, shape_text};
use tests_cli::world::Making;
use tests_cli::{Device, World, images};

/// Help texts of both programs and of every command.
#[test]
fn help_texts() {
    let world = World::new();
    let device = Device::new(&world, "device", b"an image");
    let mut text = String::new();
    for line in [
        "",
        "key",
        "key generate",
        "trust",
        "trust init",
        "trust show",
        "log",
        "log init",
        "log append",
        "log checkpoint",
        "log prove",
        "log witness",
        "delta",
        "delta create",
        "delta inspect",
        "delta verify",
        "delta apply",
        "delta prove",
        "delta rollback",
        "functions",
        "functions diff",
        "functions list",
        "graph",
        "graph build",
        "graph verify",
        "graph diff",
        "graph prove",
        "publish",
        "completions",
        "man",
    ] {
        let mut arguments: Vec<&str> = line.split_whitespace().collect();
        arguments.push("--help");
        let _ = write!(text, "$ stella {}\n{}\n", arguments.join(" "), world.do_stella(&arguments).out);
    }
    check("stella-help.txt", &text);
    text.clear();
    for line in [
        "",
        "status",
        "check",
        "install",
        "verify",
        "resume",
        "cancel",
        "commit",
        "mark-bad",
        "rollback",
        "doctor",
        "history",
        "slots verify",
        "monitor",
        "daemon",
        "boot simulate",
    ] {
        let mut arguments: Vec<&str> = line.split_whitespace().collect();
        arguments.push("--help");
        let _ = write!(text, "$ stella-agent {}\n{}\n", arguments.join(" "), device.plain(&arguments).expect(0).out);
    }
    check("stella-agent-help.txt", &text);
}

/// What `doctor` says of this machine's disk and clock is left out.
fn doctored(text: &str) -> String {
    let cut = |line: &str| match (line.split_once(" can be written, "), line.split_once("clock           ")) {
        (Some((before, _)), _) => format!("{before} can be written, [room] left\n"),
        (_, Some((before, _))) => format!("{before}clock           [clock]\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(cut).collect()
}

/// Errors name the file, the key or the word, and end with what to do next.
#[test]
fn errors_with_hints() {
    let world = World::new();
    let base = images::image(81, 96);
    world.write("v1.img", &base);
    world.write("v2.img", images::update(&base, 82, 8));
    world.write("empty.img", b"");
    world.make("v2.stella", &Making { more: &["--time", "1700000000"], ..Making::delta("v1.img", "v2.img", "2.0") });
    let mut text = String::new();
    let mut note = |program: &str, line: &str, run: &Run| {
        let code = run.code.unwrap_or(-1);
        let _ =
            write!(text, "$ {program} {line}\nexit code {code}\n{}\n", doctored(&alike(&run.said(), world.folder())));
    };
    for line in [
        "nonsense",
        "delta create --target v2.img x.stella",
        "delta create --base v1.img --target v2.img --product gateway --hardware board-a --version 2 x.stella",
        "delta create --base v1.img --target v2.img --product gateway --hardware board-a --version 2 --key release.key x.stella",
        "delta create --base v1.img --target v2.img --product gateway --hardware board-a --version 2.x --unsigned x.stella",
        "delta create --base none.img --target v2.img --product gateway --hardware board-a --version 2 --unsigned x.stella",
        "delta create --base v1.img --target empty.img --product gateway --hardware board-a --version 2 --unsigned x.stella",
        "delta create --target v2.img --product gateway --hardware board-a --version 2 --key release.key --log none --log-key log.key x.stella",
        "delta create --target v2.img --product gateway --hardware board-a --version 2 --key release.pub --log log --log-key log.key x.stella",
        "delta create --target v2.img --product gateway --hardware board-a --version 2 --segment 99 --unsigned x.stella",
        "delta create --target v2.img --product a/b --hardware board-a --version 2 --unsigned x.stella",
        "delta verify --trust v1.img v2.stella",
        "delta verify --trust fleet.trust v1.img",
        "delta verify --trust fleet.trust none.stella",
        "delta inspect v1.img",
        "delta apply --trust fleet.trust --target out.img v2.stella",
        "delta apply --trust fleet.trust --base v2.img --target out.img v2.stella",
        "delta apply --target out.img v2.stella",
        "delta prove --log log --log-vkey log.vkey --signer operator.pub v2.stella",
        "delta rollback --product gateway --from v2.img --from-version 2 --to v1.img --to-version 1 --reason  --who me --key operator.key --log log --log-key log.key x.rb",
        "key generate release.key",
        "key generate --kind witness w.key",
        "trust init --name acme --signer v1.img --log log.vkey x.trust",
        "trust init --name acme --signer release.pub --log log.vkey --quorum 2 x.trust",
        "log init log --log-key log.key",
        "log prove log --log-vkey log.vkey v1.img",
        "publish site --channel stable --key release.key v1.img",
    ] {
        note("stella", line, &world.stella(&line.split(' ').collect::<Vec<_>>()));
    }
    let device = Device::new(&world, "device", &base);
    let bundle = world.path("v2.stella").display().to_string();
    let mut on_device = |line: &str| {
        let shown = line.replace(&world.folder().display().to_string(), "[WORLD]");
        note("stella-agent", &shown, &device.plain(&line.split(' ').collect::<Vec<_>>()));
    };
    for line in [
        "nonsense",
        "install --form x",
        "verify",
        "status now",
        "slots",
        "check",
        "install",
        "resume",
        "cancel",
        "commit",
        "mark-bad",
        "rollback",
        "monitor",
        "install none.stella",
        "install config.toml",
        "install ftp://example.com/x",
        "install http://",
        "verify ../v1.img",
        "history",
        "rollback --attestation ../v2.stella",
        "install --from ../none",
        "slots verify",
    ] {
        on_device(line);
    }
    on_device(&format!("verify {bundle}"));
    on_device("status");
    on_device("doctor");
    device.configure("prodct = \"x\"\n");
    on_device("status");
    device.configure("[slots]\nb = \"gone.img\"\n");
    on_device(&format!("install {bundle}"));
    device.configure("");
    device.write("trust.d/fleet.trust", "nonsense\n");
    on_device(&format!("install {bundle}"));
    std::fs::remove_file(device.path("trust.d/fleet.trust")).expect("the trust root");
    on_device(&format!("install {bundle}"));
    std::fs::remove_file(device.path("boot/record")).expect("the record");
    on_device("status");
    check("errors.txt", &text);
}

/// The shapes of the JSON that programs read; a name that goes away breaks somebody.
#[test]
fn json_shapes() {
    let world = World::new();
    let base = images::image(83, 96);
    world.write("v1.img", &base);
    world.write("v2.img", images::update(&base, 84, 8));
    let mut text = String::new();
    let mut note = |line: &str, run: &Run| {
        let _ = write!(text, "$ {line}\n{}\n", shape_text(&run.json()));
    };
    note("stella key generate", &world.do_stella(&["--json", "key", "generate", "extra.key"]));
    note("stella trust show", &world.do_stella(&["--json", "trust", "show", "fleet.trust"]));
    note("stella delta create", &world.make("v2.stella", &Making::delta("v1.img", "v2.img", "2.0")));
    note("stella delta inspect", &world.do_stella(&["--json", "delta", "inspect", "v2.stella"]));
    let verify = ["--json", "delta", "verify", "--trust", "fleet.trust", "v2.stella"];
    note("stella delta verify", &world.do_stella(&verify));
    note("stella delta rollback", &world.attest("back.rb", ("v2.img", "2.0"), ("v1.img", "1.0"), &[]));
    note("stella publish", &world.publish(&["v2.stella"]));
    let checkpoint = ["--json", "log", "checkpoint", "log", "--log-vkey", "log.vkey", "--witness", "witness-a.vkey"];
    note("stella log checkpoint", &world.do_stella(&checkpoint));
    note(
        "stella delta verify (refused)",
        &world.stella(&["--json", "delta", "verify", "--trust", "fleet.trust", "v1.img"]),
    );
    let statement = world.do_stella(&["delta", "inspect", "--statement", "v2.stella"]);
    note("stella delta inspect --statement", &statement);
    let manifest = world.do_stella(&["delta", "inspect", "--manifest", "v2.stella"]);
    note("stella delta inspect --manifest", &manifest);
    check("stella-json.txt", &text);

    let device = Device::new(&world, "device", &base);
    device.configure(&format!("source = \"{}\"\nchannel = \"stable\"\n", world.path("site/stable").display()));
    let mut text = String::new();
    let mut note = |line: &str, run: &Run| {
        let _ = write!(text, "$ stella-agent {line}\n{}\n", shape_text(&run.json()));
    };
    let agent = |line: &str| device.agent(&line.split(' ').collect::<Vec<_>>());
    let mut verb = |line: &str| note(line, &agent(line));
    verb("status");
    verb("check");
    verb("verify ../v2.stella");
    verb("install");
    device.power_on();
    verb("commit");
    verb("status");
    verb("history");
    verb("slots verify");
    verb("doctor");
    verb("cancel");
    check("stella-agent-json.txt", &text);
}

/// Completions of every shell and a man page of every command are made from the same table as the help.
#[test]
fn completions_and_man_pages() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.do_stella(&["completions", shell]).out;
        assert!(script.len() > 1000 && script.contains("rollback"), "{shell}");
    }
    let bash = world.do_stella(&["completions", "bash"]).out;
    let path = world.write("completion.bash", bash);
    let read = std::process::Command::new("bash").arg("-n").arg(path).status();
    assert!(read.is_ok_and(|status| status.success()), "bash reads its completions");
    world.do_stella(&["man", "man"]);
    let mut pages: Vec<String> = std::fs::read_dir(world.path("man"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    check("man-pages.txt", &(pages.join("\n") + "\n"));
    let page = String::from_utf8(world.read("man/stella-delta-create.1")).expect("a man page is text");
    assert!(page.contains(".SH") && page.contains("hardware"), "{page}");
}
