//! The drawing: lanes of bars over a time axis, and the RAM that the running tasks were predicted to need together.
//!
//! Bars differ by pattern as well as by colour, and carry their name where it fits.

use std::fmt::Write;

use phalanx_plan::TaskKind;
use phalanx_worker::TaskRecord;

use super::{Timeline, escape, sentence};
use crate::size;

/// Pixels; the page's style sheet repeats the heights for the lanes' names.
const AXIS_HEIGHT: f64 = 24.0;
const LANE_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 26.0;
const RAM_HEIGHT: f64 = 96.0;
const RAM_GAP: f64 = 16.0;
const WIDTH_MIN: f64 = 1000.0;
const WIDTH_MAX: f64 = 16_000.0;
/// Room for the longest bar names when a job has many tasks; beyond `WIDTH_MAX` bars shrink.
const WIDTH_PER_TASK: f64 = 14.0;
const BAR_WIDTH_MIN: f64 = 1.5;
const REUSED_PITCH_MAX: f64 = 11.0;
const LETTER_WIDTH: f64 = 7.0;
const TICK_WIDTH: f64 = 100.0;

/// Which lanes there are, from top to bottom.
pub struct Lanes {
    /// The slot of the execution, which has a lane of its own.
    execute: Option<usize>,
    /// The other slots, ascending.
    slots: Vec<usize>,
    /// Tasks that did not run.
    reused: usize,
}

/// The lanes of a job.
pub fn lanes(timeline: &Timeline<'_>) -> Lanes {
    let ran = || timeline.tasks.iter().filter(|task| !task.reused);
    let execute = ran().find(|task| task.name.kind == TaskKind::Execute).map(|task| task.slot);
    let mut slots: Vec<_> = ran().map(|task| task.slot).filter(|slot| Some(*slot) != execute).collect();
    slots.sort_unstable();
    slots.dedup();
    Lanes { execute, slots, reused: timeline.tasks.iter().filter(|task| task.reused).count() }
}

impl Lanes {
    /// The names of the lanes as HTML, to stand left of the drawing.
    pub fn labels(&self) -> String {
        let label = |text: String| format!("<div class=\"lane\">{text}</div>");
        let execute = self.execute.map(|_| label("execute".into()));
        let slots = self.slots.iter().map(|slot| label(format!("slot {slot}")));
        let reused = (self.reused > 0).then(|| label(format!("reused ({})", self.reused)));
        execute.into_iter().chain(slots).chain(reused).collect()
    }

    fn count(&self) -> usize {
        usize::from(self.execute.is_some()) + self.slots.len() + usize::from(self.reused > 0)
    }

    fn position(&self, task: &TaskRecord) -> usize {
        let execute = usize::from(self.execute.is_some());
        if task.reused {
            return execute + self.slots.len();
        }
        if Some(task.slot) == self.execute {
            return 0;
        }
        execute + self.slots.binary_search(&task.slot).unwrap_or_default()
    }
}

/// The drawing.
pub fn svg(timeline: &Timeline<'_>) -> String {
    let lanes = lanes(timeline);
    let end_ms = timeline.tasks.iter().map(|task| task.end_ms).max().unwrap_or(0).max(timeline.wall_ms).max(1);
    let mut per_lane = vec![0_u32; lanes.count()];
    timeline.tasks.iter().for_each(|task| per_lane[lanes.position(task)] += 1);
    let busiest = per_lane.iter().copied().max().unwrap_or(0);
    let width = (f64::from(busiest) * WIDTH_PER_TASK).clamp(WIDTH_MIN, WIDTH_MAX);
    let scale = Scale { px_per_ms: width / end_ms as f64, end_ms };
    let lanes_bottom = AXIS_HEIGHT + LANE_HEIGHT * lanes.count() as f64;
    let height = lanes_bottom + RAM_GAP + RAM_HEIGHT;
    let mut svg = format!(
        r#"<svg width="{width:.0}" height="{height:.0}" role="group" aria-label="Tasks over time, one lane per slot">"#
    );
    // Writing to a string cannot fail; the results of `write!` say nothing here.
    let _ = write!(svg, "{}", axis(&scale, height));
    let mut marks = ReusedMarks::new(width, lanes.reused);
    for (at, task) in timeline.tasks.iter().enumerate() {
        let lane = lanes.position(task);
        let top = AXIS_HEIGHT + LANE_HEIGHT * lane as f64 + (LANE_HEIGHT - BAR_HEIGHT) / 2.0;
        let left = scale.x(task.start_ms);
        let (left, bar) =
            if task.reused { marks.next(left) } else { (left, (scale.x(task.end_ms) - left).max(BAR_WIDTH_MIN)) };
        let _ = write!(svg, "{}", bar_of(at, task, lane, left, top, bar));
    }
    let _ = write!(svg, "{}</svg>", ram(timeline, &scale, lanes_bottom + RAM_GAP));
    svg
}

/// Reused tasks take no time, so their marks stand side by side from where they were found.
struct ReusedMarks {
    pitch: f64,
    /// Where the next mark may start, and where it must so that those after it fit.
    earliest: f64,
    latest: f64,
}

impl ReusedMarks {
    fn new(width: f64, count: usize) -> Self {
        let pitch = (width / count.max(1) as f64).min(REUSED_PITCH_MAX);
        Self { pitch, earliest: 0.0, latest: width - pitch * count as f64 }
    }

    /// Left edge and width of the next mark, wished at `left`.
    fn next(&mut self, left: f64) -> (f64, f64) {
        let left = left.min(self.latest).max(self.earliest);
        self.earliest = left + self.pitch;
        self.latest += self.pitch;
        (left, (self.pitch - 1.0).max(self.pitch * 0.7))
    }
}

struct Scale {
    px_per_ms: f64,
    end_ms: u64,
}

impl Scale {
    fn x(&self, ms: u64) -> f64 {
        ms as f64 * self.px_per_ms
    }
}

fn axis(scale: &Scale, height: f64) -> String {
    let step_ms = nice(TICK_WIDTH / scale.px_per_ms);
    let mut axis = String::from(r#"<g class="axis" aria-hidden="true">"#);
    let mut ms = 0;
    while ms <= scale.end_ms {
        let x = scale.x(ms);
        let anchor = if ms == 0 { "start" } else { "middle" };
        let label = if step_ms < 1000 { format!("{:.2} s", ms as f64 / 1000.0) } else { format!("{} s", ms / 1000) };
        let _ = write!(axis, r#"<line x1="{x:.1}" y1="{AXIS_HEIGHT}" x2="{x:.1}" y2="{height:.0}"/>"#);
        // A label at the very end would be cut off.
        if x < scale.x(scale.end_ms) - 4.0 * LETTER_WIDTH {
            let _ = write!(axis, r#"<text x="{x:.1}" y="16" text-anchor="{anchor}">{label}</text>"#);
        }
        ms += step_ms;
    }
    axis + "</g>"
}

/// The smallest of 1, 2, 5 times a power of ten, in milliseconds, that is not below `step_ms`.
fn nice(step_ms: f64) -> u64 {
    let mut power = 10;
    loop {
        for factor in [1, 2, 5] {
            let step = factor * power;
            if step as f64 >= step_ms {
                return step;
            }
        }
        power *= 10;
    }
}

fn bar_of(at: usize, task: &TaskRecord, lane: usize, left: f64, top: f64, width: f64) -> String {
    let name = task.name.to_string();
    let kind = task.name.kind.name();
    let state = if task.reused { " reused" } else { "" };
    let sentence = escape(&sentence(task));
    let mut bar = format!(
        concat!(
            r##"<a href="#t{at}" class="bar {kind}{state}" data-lane="{lane}" aria-label="{sentence}">"##,
            r#"<title>{sentence}</title>"#,
            r#"<rect x="{left:.2}" y="{top:.1}" width="{width:.2}" height="{height}" rx="2"/>"#,
        ),
        at = at,
        kind = kind,
        state = state,
        lane = lane,
        sentence = sentence,
        left = left,
        top = top,
        width = width,
        height = BAR_HEIGHT
    );
    if name.len() as f64 * LETTER_WIDTH + 8.0 <= width {
        let (x, y) = (left + 5.0, top + BAR_HEIGHT / 2.0 + 4.0);
        let _ = write!(bar, r#"<text x="{x:.1}" y="{y:.1}" aria-hidden="true">{name}</text>"#);
    }
    bar + "</a>"
}

/// Keys plus the predicted peaks of all tasks that run at the same time, against the budget.
fn ram(timeline: &Timeline<'_>, scale: &Scale, top: f64) -> String {
    let mut changes: Vec<(u64, i128)> = Vec::new();
    for task in timeline.tasks.iter().filter(|task| !task.reused) {
        changes.push((task.start_ms, task.predicted_peak_bytes.into()));
        changes.push((task.end_ms, -i128::from(task.predicted_peak_bytes)));
    }
    changes.sort_unstable();
    let mut bytes = i128::from(timeline.resident_bytes);
    let mut levels = vec![(0, bytes)];
    for at_once in changes.chunk_by(|(ms, _), (next, _)| ms == next) {
        bytes += at_once.iter().map(|(_, change)| change).sum::<i128>();
        levels.extend(at_once.first().map(|(ms, _)| (*ms, bytes)));
    }
    let peak = levels.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let full = peak.max(timeline.ram_bytes.into()).max(1) as f64 * 1.05;
    let y = |bytes: i128| top + RAM_HEIGHT * (1.0 - bytes as f64 / full);
    let bottom = top + RAM_HEIGHT;
    let mut path = format!("M0 {bottom:.1}");
    for (ms, bytes) in &levels {
        let _ = write!(path, "H{:.1}V{:.1}", scale.x(*ms), y(*bytes));
    }
    let right = scale.x(scale.end_ms);
    let _ = write!(path, "H{right:.1}V{bottom:.1}Z");
    let budget = y(timeline.ram_bytes.into());
    let show = |bytes: i128| size::show(u64::try_from(bytes).unwrap_or(u64::MAX));
    let budget_text = size::show(timeline.ram_bytes);
    format!(
        concat!(
            r#"<g class="ram" role="img" aria-label="RAM predicted for the running tasks and keys: at most {peak} of {allowed}">"#,
            r#"<path d="{path}"/><line x1="0" y1="{budget:.1}" x2="{right:.1}" y2="{budget:.1}"/>"#,
            r#"<text x="5" y="{text:.1}">budget {allowed}, predicted peak {peak}</text></g>"#,
        ),
        peak = show(peak),
        allowed = budget_text,
        path = path,
        budget = budget,
        right = right,
        text = budget + 14.0,
    )
}
