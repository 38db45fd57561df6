//! `phalanx stats`: how long tasks took, and how their starts ended.

use phalanx_api::StatsView;

use crate::{
    error::Result,
    printer::Printer,
    server::{ServerArgs, patiently},
    span::{self, show_ms},
    table::Table,
    text::{count, thousands},
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Over jobs that ended in this time, such as 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span::parse_ms)]
    window: u64,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let client = args.server.client()?;
    let stats = patiently(&client, || client.stats(Some(args.window)))?;
    if printer.is_json() {
        return printer.object(&stats);
    }
    lines(&stats).into_iter().try_for_each(|line| printer.line(line))
}

fn lines(stats: &StatsView) -> Vec<String> {
    let done = count(stats.jobs_done, "job");
    let window = show_ms(stats.window_ms);
    let cycles = thousands(stats.cycles);
    let mut lines =
        vec![format!("{done} done, {} failed in the last {window}; {cycles} cycles proven", stats.jobs_failed)];
    let mut table = Table::new(&["KIND", ">DONE", ">REUSED", ">WAITED", ">RAN", ">LONGEST"]);
    for (kind, times) in &stats.kinds {
        let [waited, ran, longest] = [times.wait_ms_mean, times.run_ms_mean, times.run_ms_max].map(show_ms);
        table.row([kind.clone(), thousands(times.count), thousands(times.reused), waited, ran, longest]);
    }
    if !table.is_empty() {
        lines.extend(table.lines());
    }
    let starts = stats.attempts.iter().map(|(outcome, number)| format!("{} {outcome}", thousands(*number)));
    let starts = starts.collect::<Vec<_>>().join(", ");
    if !starts.is_empty() {
        lines.push(format!("starts: {starts}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use phalanx_api::TaskTimes;

    use super::*;

    #[test]
    fn times_are_means_by_kind_and_starts_are_counted_by_their_end() {
        let times = TaskTimes { count: 1_000, reused: 10, wait_ms_mean: 120, run_ms_mean: 41_200, run_ms_max: 125_000 };
        let stats = StatsView {
            window_ms: 86_400_000,
            jobs_done: 1,
            jobs_failed: 0,
            cycles: 4_129_521,
            kinds: [("prove".to_owned(), times)].into(),
            attempts: [("done".to_owned(), 1_001), ("expired".to_owned(), 1)].into(),
        };
        let expected = [
            "1 job done, 0 failed in the last 24 h 00 min; 4,129,521 cycles proven",
            "KIND    DONE  REUSED  WAITED     RAN     LONGEST",
            "prove  1,000      10   0.1 s  41.2 s  2 min 05 s",
            "starts: 1,001 done, 1 expired",
        ];
        assert_eq!(lines(&stats), expected);
    }
}
