//! The page is well-formed, closed to the outside, and says the same in picture and table.

use phalanx_claim::Digest;
use phalanx_plan::TaskKind;
use phalanx_worker::TaskName;

use super::*;

const GIB: u64 = 1 << 30;

fn ran(name: TaskName, slot: usize, start_ms: u64, end_ms: u64) -> TaskRecord {
    TaskRecord {
        name,
        slot,
        start_ms,
        end_ms,
        cpu_ms: 2 * (end_ms - start_ms),
        cores: 2,
        predicted_peak_bytes: 4 * GIB,
        measured_peak_bytes: (slot == 0).then_some(3 * GIB),
        reused: false,
        cycles: if name.kind == TaskKind::Prove { 825_904 } else { 0 },
        attempt: 1,
        output: Digest::of(b""),
    }
}

fn reused(name: TaskName, at_ms: u64) -> TaskRecord {
    TaskRecord { reused: true, cpu_ms: 0, cores: 0, predicted_peak_bytes: 0, ..ran(name, 0, at_ms, at_ms) }
}

fn page(tasks: &[TaskRecord]) -> String {
    let wall_ms = tasks.iter().map(|task| task.end_ms).max().unwrap_or(0);
    let facts = vec![("program", "ab<script>{{rows}}".to_owned())];
    Timeline { title: "a&b.elf", facts, tasks, wall_ms, resident_bytes: GIB, ram_bytes: 16 * GIB }.page()
}

fn small() -> Vec<TaskRecord> {
    vec![
        reused(TaskName::prove(0), 40),
        ran(TaskName::EXECUTE, 2, 0, 300),
        ran(TaskName::prove(1), 0, 100, 9_100),
        ran(TaskName::prove(2), 1, 200, 9_900),
        ran(TaskName::fold(0, 0), 1, 9_900, 14_000),
        ran(TaskName::SEAL, 0, 14_000, 15_250),
    ]
}

/// Many tasks on many slots.
fn large(proofs: u32, slots: u32) -> Vec<TaskRecord> {
    let prove = |i: u32| {
        let start = u64::from(i / slots) * 9_000 + u64::from(i % slots) * 150;
        ran(TaskName::prove(i), (i % slots) as usize, start, start + 8_000 + u64::from(i % 7) * 100)
    };
    (0..proofs).map(prove).collect()
}

/// Every tag closed in order; text without stray angle brackets.
fn well_formed(page: &str) -> Result<(), String> {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some((text, tail)) = rest.split_once('<') {
        if text.contains('>') && !matches!(open.last(), Some(&"script" | &"style")) {
            return Err(format!("stray > before <{}", &tail[..tail.len().min(40)]));
        }
        let (tag, after) = tail.split_once('>').ok_or("a tag without end")?;
        rest = after;
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        if tag.matches('"').count() % 2 != 0 {
            return Err(format!("an attribute without end in <{tag}>"));
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> closes {last:?}")),
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
            if matches!(name, "script" | "style") {
                let end = rest.find(&format!("</{name}>")).ok_or("script without end")?;
                rest = &rest[end..];
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

#[test]
fn pages_of_no_one_and_thousands_of_tasks_are_well_formed() {
    for tasks in [
        vec![],
        small()[1..2].to_vec(),
        small(),
        large(5_000, 8),
        (0..3_000).map(|i| reused(TaskName::prove(i), 5)).collect(),
    ] {
        let page = page(&tasks);
        assert_eq!(well_formed(&page), Ok(()), "{} tasks", tasks.len());
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{} tasks", tasks.len());
    }
}

#[test]
fn names_from_outside_are_text_and_not_markup() {
    let page = page(&small());
    assert!(page.contains("a&amp;b.elf") && page.contains("ab&lt;script&gt;{{rows}}"));
}

#[test]
fn every_task_has_one_bar_and_one_row() {
    let tasks = small();
    let page = page(&tasks);
    for at in 0..tasks.len() {
        assert_eq!(page.matches(&format!("href=\"#t{at}\"")).count(), 1);
        assert_eq!(page.matches(&format!("<tr id=\"t{at}\">")).count(), 1);
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(&small());
    for word in ["http:", "https:", "src=\"", "@import", "url(//"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_task_is_told_in_one_sentence() {
    let tasks = small();
    assert_eq!(
        sentence(&tasks[2]),
        "prove 1; slot 0, from 0.1 s to 9.1 s; 9.0 s, CPU 18.0 s on 2 cores; 825,904 cycles; RAM predicted 4.0 GiB, measured 3.0 GiB"
    );
    assert_eq!(sentence(&tasks[0]), "prove 0; reused from the store; 825,904 cycles");
}

#[test]
fn bars_stay_within_the_drawing() {
    for tasks in [small(), large(5_000, 8), (0..3_000).map(|i| reused(TaskName::prove(i), 5)).collect()] {
        let page = page(&tasks);
        let number = |text: &str, name: &str| -> f64 {
            let (_, tail) = text.split_once(&format!(" {name}=\"")).unwrap();
            tail.split_once('"').unwrap().0.parse().unwrap()
        };
        let (_, drawing) = page.split_once("<div class=\"scroll\">").unwrap();
        let width = number(drawing, "width");
        for bar in drawing.split("<a ").skip(1) {
            let (_, rect) = bar.split_once("<rect").unwrap();
            let right = number(rect, "x") + number(rect, "width");
            assert!(right <= width + 2.0, "a bar ends at {right} of {width}");
        }
    }
}

#[test]
fn reused_tasks_stand_in_a_lane_of_their_own() {
    let tasks = small();
    let timeline =
        Timeline { title: "", facts: vec![], tasks: &tasks, wall_ms: 15_250, resident_bytes: 0, ram_bytes: GIB };
    let lane = |name: &str| format!("<div class=\"lane\">{name}</div>");
    let expected = ["execute", "slot 0", "slot 1", "reused (1)"].map(lane).concat();
    assert_eq!(chart::lanes(&timeline).labels(), expected);
}
