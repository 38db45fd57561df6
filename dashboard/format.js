// Numbers for people. In: counts, bytes, milliseconds. Out: short text with its unit.

const GROUPED = new Intl.NumberFormat('en-GB');

/** `4,129,521` */
export function count(number) {
  return GROUPED.format(number);
}

/** `4.13 M`: three digits and a thousandfold. */
export function short(number) {
  const steps = ['', ' k', ' M', ' G', ' T'];
  let step = 0;
  let rest = number;
  while (rest >= 999.5 && step < steps.length - 1) {
    rest /= 1000;
    step += 1;
  }
  return step === 0 ? count(number) : digits(rest) + steps[step];
}

/** `13.2 GiB` */
export function bytes(number) {
  const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let step = 0;
  let rest = number;
  while (rest >= 1000 && step < steps.length - 1) {
    rest /= 1024;
    step += 1;
  }
  return `${step === 0 ? rest : digits(rest)} ${steps[step]}`;
}

/** `340 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h` */
export function duration(ms) {
  const time = Math.max(0, ms);
  if (time < 999.5) return `${Math.round(time)} ms`;
  if (time < 59_950) return `${(time / 1000).toFixed(1)} s`;
  const seconds = Math.round(time / 1000);
  if (seconds < 3600) return two(seconds, 60, 'min', 1, 's');
  if (seconds < 86_400) return two(seconds, 3600, 'h', 60, 'min');
  return two(seconds, 86_400, 'd', 3600, 'h');
}

/** Like [duration], without parts of a second: for times that tick. */
export function ticking(ms) {
  return ms < 59_950 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms);
}

/** `2 min ago` */
export function ago(ms) {
  if (ms < 5000) return 'just now';
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `2026-02-03 14:05:06 +01:00`, in the reader's zone. */
export function moment(ms) {
  const date = new Date(ms);
  const shift = -date.getTimezoneOffset();
  const local = new Date(ms + shift * 60_000).toISOString();
  const sign = shift < 0 ? '-' : '+';
  const zone = `${pad(Math.floor(Math.abs(shift) / 60))}:${pad(Math.abs(shift) % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${sign}${zone}`;
}

/** `14 kHz`: instructions per second. */
export function speed(cycles, ms) {
  const hertz = (cycles * 1000) / Math.max(1, ms);
  if (hertz < 999.5) return `${Math.round(hertz)} Hz`;
  return hertz < 999_500 ? `${digits(hertz / 1e3)} kHz` : `${digits(hertz / 1e6)} MHz`;
}

/** `63 %`; 100 only when it is all. */
export function percent(part) {
  return `${part >= 1 ? 100 : Math.min(99, Math.floor(part * 100))} %`;
}

/** `1 task`, `2 tasks` */
export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}

/** The end of a job's name: its beginning is the time and alike for neighbours. */
export function shortJob(job) {
  return job.slice(-12);
}

/** The beginning of a digest. */
export function shortDigest(digest) {
  return `${digest.slice(0, 8)}…${digest.slice(-4)}`;
}

function digits(number) {
  return number < 9.995 ? number.toFixed(2) : number < 99.95 ? number.toFixed(1) : String(Math.round(number));
}

function two(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ''}`;
}

function pad(number) {
  return String(number).padStart(2, '0');
}
