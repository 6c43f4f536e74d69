//! What callgrind sees small programs do, compiled here, is what their graphs say.
//!
//! Needs valgrind and the compilers. Where one is missing the test fails and says so: a proof that did not run is none.

use delta_functions::callgraph::{CallGraph, Reachable};
use delta_graph::callgrind::{Comparison, Explained, Trace};
use delta_graph::closure::{Closure, Places, Plugins};
use std::path::{Path, PathBuf};
use std::process::Command;

const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
static jmp_buf back;
static int down(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }
static int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
static int (*const table[])(int) = { twice, thrice, abs };
int (*hook)(int) = twice;
__attribute__((noinline)) static void leave(int x) { if (x > 2) longjmp(back, x); }
__attribute__((constructor)) static void early(void) { hook = thrice; }
__attribute__((destructor)) static void late(void) { fputs("late\n", stderr); }
__attribute__((noinline)) static int pick(int x) {
    switch (x) { case 0: return puts("zero"); case 1: return puts("one"); case 2: return atoi("7"); case 3: return rand();
                 case 4: return puts("four"); case 5: return (int)strlen("five"); default: return -1; }
}
int main(int argc, char **argv) {
    int list[] = { 3, 1, 2 }, sum = hook(argc);
    qsort(list, 3, sizeof *list, down);
    for (int i = 0; i < 6; i++) sum += table[i % 3](i) + pick(i);
    if (!setjmp(back)) for (int i = 0; i < 9; i++) leave(i);
    char *copy = strdup(argv[0]);
    printf("%d %s %zu\n", sum, strrchr(copy, '/'), strlen(copy));
    free(copy);
    return 0;
}
"#;

const CPP: &str = r#"
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>
struct Shape { virtual ~Shape() {} virtual int area() const = 0; };
struct Square : Shape { int a; Square(int a) : a(a) {} int area() const override { return a * a; } };
struct Round : Shape { int r; Round(int r) : r(r) {} int area() const override { return 3 * r * r; } };
__attribute__((noinline)) static int refuse(int x) { if (x > 3) throw std::runtime_error("big"); return x; }
static struct Early { std::vector<int> list{1, 2, 3}; ~Early() { std::cerr << list.size(); } } early;
int main() {
    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 0; i < 5; i++) if (i % 2) shapes.emplace_back(new Square(i)); else shapes.emplace_back(new Round(i));
    std::sort(shapes.begin(), shapes.end(), [](auto &a, auto &b) { return a->area() < b->area(); });
    std::map<std::string, int> map;
    for (int i = 0; i < 50; i++) map["k" + std::to_string(i % 7)] += i;
    std::function<int(int)> call = refuse;
    int sum = 0;
    for (int i = 0; i < 6; i++) try { sum += call(i); } catch (const std::exception &e) { sum += e.what()[0]; }
    std::ostringstream out;
    for (auto &pair : map) out << pair.first << '=' << pair.second << ';';
    for (auto &shape : shapes) out << shape->area() << ' ';
    std::cout << out.str() << sum << "\n";
}
"#;

const RUST: &str = r#"
use std::collections::HashMap;
trait Shape { fn area(&self) -> u32; }
struct Square(u32);
struct Round(u32);
impl Shape for Square { fn area(&self) -> u32 { self.0 * self.0 } }
impl Shape for Round { fn area(&self) -> u32 { 3 * self.0 * self.0 } }
fn main() {
    let shapes: Vec<Box<dyn Shape>> = (0..6).map(|i| if i % 2 == 0 { Box::new(Square(i)) as Box<dyn Shape> } else { Box::new(Round(i)) }).collect();
    let mut words: HashMap<String, u32> = HashMap::new();
    for (place, shape) in shapes.iter().enumerate() { *words.entry(format!("k{}", place % 4)).or_default() += shape.area(); }
    let mut list: Vec<_> = words.into_iter().collect();
    list.sort_by(|a, b| b.cmp(a));
    let joined = std::thread::spawn(move || list.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(";")).join();
    println!("{}", joined.unwrap());
    let caught = std::panic::catch_unwind(|| { let empty: Vec<u32> = Vec::new(); empty[std::env::args().count()] });
    println!("{}", caught.is_err());
}
"#;

fn run(command: &mut Command) {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; this test needs it: install it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles, strips, runs under callgrind and compares.
fn compared(folder: &Path, compiler: &str, name: &str, source: &str, options: &[&str]) -> (Comparison, usize) {
    let (source_file, program) = (folder.join(name), folder.join(format!("{name}.out")));
    std::fs::write(&source_file, source).expect("a writable folder");
    run(Command::new(compiler).args(options).arg("-o").arg(&program).arg(&source_file));
    run(Command::new("strip").arg(&program));
    let trace = folder.join(format!("{name}.trace"));
    let tool = ["--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no"];
    let out = format!("--callgrind-out-file={}", trace.display());
    run(Command::new("valgrind").args(tool).arg(out).arg(&program));
    let trace = Trace::parse(&std::fs::read_to_string(&trace).expect("callgrind writes a trace"));
    let files: Vec<PathBuf> = [program].into_iter().chain(trace.preloaded()).collect();
    let closure = Closure::read(&files, &Places::default(), true).expect("an executable");
    assert_eq!(closure.missing, [] as [&str; 0], "{name}");
    let paths: Vec<PathBuf> = closure.files.iter().map(|file| file.path.clone()).collect();
    let exporting = closure.exporting(Plugins::Any);
    let graph = CallGraph::new(closure.objects, exporting);
    let reachable = Reachable::new(&graph, |_| false);
    (Comparison::new(&graph, &reachable, &paths, &trace), graph.len() - reachable.count())
}

/// Everything that was seen is explained, nothing that ran is called unreachable, and the graph is not just everything.
fn check(compiler: &str, name: &str, source: &str, options: &[&str], exact_percent_min: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (comparison, unreachable) = compared(folder.path(), compiler, name, source, options);
    let all = comparison.edges.len();
    let unexplained: Vec<_> = comparison.edges.iter().filter(|(_, how)| **how == Explained::No).collect();
    assert!(all > 200 && comparison.executed.len() > 150, "{name}: {all} edges");
    assert!(unexplained.is_empty(), "{name}: {unexplained:x?}, at {:x?}", comparison.places.get(unexplained[0].0));
    assert!(comparison.unreachable.is_empty(), "{name}: {:?}", comparison.unreachable);
    assert!(comparison.dropped * 100 <= comparison.records, "{name}: {} records dropped", comparison.dropped);
    let counts = comparison.counts();
    let exact = counts[Explained::Exact as usize] + counts[Explained::Loader as usize];
    assert!(exact * 100 >= all * exact_percent_min, "{name}: {exact} of {all} are exact: {counts:?}");
    assert!(unreachable > 500, "{name}: {unreachable} functions cannot be reached");
}

#[test]
fn c() {
    check("gcc", "c.c", C, &["-O2"], 85);
    check("gcc", "fixed.c", C, &["-O1", "-no-pie", "-fno-plt"], 85);
}

/// Half of what these programs do is done by the loader and by constructors of the library, lazily bound: those edges are
/// explained by stub and pointer.
#[test]
fn cpp() {
    check("g++", "cpp.cc", CPP, &["-O2"], 75);
    check("g++", "now.cc", CPP, &["-O2", "-Wl,-z,now"], 75);
    // No loader: the program chooses between functions and calls its constructors by itself.
    check("g++", "static.cc", CPP, &["-O2", "-static"], 75);
}

#[test]
fn rust() {
    check("rustc", "rust.rs", RUST, &["-O"], 80);
}
