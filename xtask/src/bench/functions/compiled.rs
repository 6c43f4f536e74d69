//! A program of C, written here and compiled twice for each processor that a compiler is there for.
//!
//! In: a folder. Out: pairs with symbols, and the compilers that are missing. Nothing is installed. The program has many
//! small functions that call each other and differ in what they compute; the second version changes some and adds some.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::Pair;
use crate::command;

/// Name, compiler, and flags of each processor.
const COMPILERS: [(&str, &str, &[&str]); 7] = [
    ("compiled/x86-64", "gcc", &["-shared", "-fPIC"]),
    ("compiled/i386", "i686-linux-gnu-gcc", &["-shared", "-fPIC"]),
    ("compiled/aarch64", "aarch64-linux-gnu-gcc", &["-shared", "-fPIC"]),
    ("compiled/armhf-t32", "arm-linux-gnueabihf-gcc", &["-shared", "-fPIC", "-mthumb"]),
    ("compiled/armhf-a32", "arm-linux-gnueabihf-gcc", &["-shared", "-fPIC", "-marm"]),
    ("compiled/riscv64", "riscv64-linux-gnu-gcc", &["-shared", "-fPIC"]),
    ("compiled/pe", "x86_64-w64-mingw32-gcc", &["-shared"]),
];
const FUNCTIONS: u32 = 300;

/// All pairs that can be made.
pub(super) fn pairs(work: &Path) -> Result<(Vec<Pair>, Vec<&'static str>)> {
    let (mut pairs, mut missing) = (Vec::new(), Vec::new());
    for (name, compiler, flags) in COMPILERS {
        if command::find(compiler).is_none() {
            missing.push(compiler);
            continue;
        }
        let folder = work.join(name);
        fs::create_dir_all(&folder)?;
        let files = [("old", false), ("new", true)].map(|(side, is_changed)| {
            // With an ending, since mingw appends `.exe` to names that have none.
            let (code, file) = (folder.join(format!("{side}.c")), folder.join(format!("{side}.so")));
            fs::write(&code, source(is_changed))?;
            let status = Command::new(compiler).args(flags).args(["-O2", "-o"]).arg(&file).arg(&code).status()?;
            ensure!(status.success(), "{compiler} could not compile {}", code.display());
            Ok(file)
        });
        let [base, target] = files;
        pairs.push(Pair { name: name.to_owned(), base: base?, target: target? });
    }
    Ok((pairs, missing))
}

/// The program. Every fifth function is exported; the others are called, or pointed to by a table.
fn source(is_changed: bool) -> String {
    let mut text = String::from("#include <stdlib.h>\n#include <string.h>\ntypedef long (*step)(long, char *);\n");
    // Numerical Recipes' generator: the same program in each run.
    let mut state = 12_345u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    for index in 0..FUNCTIONS {
        let reach = if index % 5 == 0 { "" } else { "static __attribute__((noinline)) " };
        let _ = writeln!(text, "{reach}long f{index}(long a, char *p) {{\n  long r = a * {};", random(900) + 3);
        for _ in 0..2 + random(6) {
            let number = random(500) + 1;
            let _ = match random(6) {
                0 => writeln!(text, "  for (long i = 0; i < (a & 15); i++) r += p[i] ^ {number};"),
                1 => writeln!(text, "  if (r > {number}) r -= (long)strlen(p + {number}); else r ^= a << 3;"),
                2 => writeln!(
                    text,
                    "  switch (r & 7) {{ case 1: r += {number}; break; case 3: r *= 7; break; case 6: p[1] = 2; }}"
                ),
                3 => writeln!(text, "  memmove(p, p + {number}, (size_t)(a & 63));"),
                4 => writeln!(text, "  if (!strcmp(p, \"text {number}\")) r = labs(r) / {number};"),
                _ if index > 0 => writeln!(text, "  r += f{}(r, p + {number});", random(index)),
                _ => writeln!(text, "  r |= {number};"),
            };
        }
        if is_changed && index % 20 == 7 {
            text.push_str("  if (r == 77) { p[0] = 3; r = strtol(p, 0, 8); }\n");
        }
        text.push_str("  return r;\n}\n");
        if is_changed && index % 60 == 11 {
            let _ = writeln!(text, "long added{index}(long a, char *p) {{ return f{index}(a + {index}, p) % 1000; }}");
        }
    }
    text.push_str("step steps[] = {");
    let pointed: Vec<String> = (0..FUNCTIONS).filter(|index| index % 5 != 0).map(|index| format!("f{index}")).collect();
    text + &pointed.join(", ") + "};\n"
}

#[cfg(test)]
mod tests {
    use super::source;

    /// The same text each time, and the changed one has what it says.
    #[test]
    fn the_program_is_the_same_each_time() {
        let (old, new) = (source(false), source(true));
        assert_eq!((&old, &new), (&source(false), &source(true)));
        assert_eq!((old.matches("added").count(), new.matches("long added").count()), (0, 5));
        assert_eq!(new.matches("strtol").count() - old.matches("strtol").count(), 15);
    }
}
