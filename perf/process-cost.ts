/**
 * What a process cost so far, read from /proc: user and system CPU time of all its threads apart,
 * resident memory now and at its peak. The kernel counts CPU in ticks of 10 ms, so a window worth
 * reading is a second long or more.
 */
import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10;

export interface Cost {
  readonly userMs: number;
  readonly systemMs: number;
}

export interface ThreadCost extends Cost {
  readonly id: number;
  readonly name: string;
}

/** The two CPU fields of one line of /proc/PID/stat; the name in it may hold spaces and brackets. */
export function parseStat(stat: string): Cost {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  if (!Number.isInteger(user) || !Number.isInteger(system)) throw new Error(`no stat: ${stat}`);
  return { userMs: user * TICK_MS, systemMs: system * TICK_MS };
}

/** All threads, those that ended included. Throws when the process is gone. */
export function costOf(pid: number): Cost {
  return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Living threads, the most expensive first. */
export function threadCosts(pid: number): readonly ThreadCost[] {
  const threads = readdirSync(`/proc/${pid}/task`).map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    return { id: Number(id), name, ...parseStat(stat) };
  });
  const total = (cost: Cost): number => cost.userMs + cost.systemMs;
  return threads.toSorted((left, right) => total(right) - total(left));
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`no ${field} of process ${pid}`);
  return Number(kibibytes) * 1024;
}

/** Resident set, bytes. */
export const rssBytes = (pid: number): number => statusBytes(pid, 'VmRSS');

/** Resident set at its highest since the start, bytes. */
export const peakRssBytes = (pid: number): number => statusBytes(pid, 'VmHWM');

/**
 * Resident pages of databases that the process maps, bytes: the page cache, which the kernel takes
 * back when it wants, counted here because VmRSS counts it.
 */
export function mappedDatabaseBytes(pid: number): number {
  let kibibytes = 0;
  let inDatabase = false;
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) inDatabase = line.endsWith('.mdb');
    else if (inDatabase) kibibytes += Number(/^Rss:\s+(\d+) kB/.exec(line)?.[1] ?? 0);
  }
  return kibibytes * 1024;
}

export function minus(after: Cost, before: Cost): Cost {
  return { userMs: after.userMs - before.userMs, systemMs: after.systemMs - before.systemMs };
}

export const totalMs = ({ userMs, systemMs }: Cost): number => userMs + systemMs;
