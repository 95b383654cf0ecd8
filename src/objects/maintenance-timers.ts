/**
 * When maintenance runs by itself: reclaiming when rows are due, the lifecycle walk, stale uploads
 * hourly, the orphan scrub once after the grace time. A run that fails is logged and tried again.
 */
import type { Context } from './context.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Maintenance } from './maintenance.ts';
import type { Reclaimer } from './reclaim.ts';

const RECLAIM_TICK_MS_MIN = 50;
const RECLAIM_TICK_MS_MAX = 1000;
const LIFECYCLE_TICK_MS_MIN = 100;
const STALE_UPLOADS_TICK_MS = 3_600_000;

export interface MaintenanceTimers {
  stop(): Promise<void>;
}

export function startMaintenance(
  context: Context,
  maintenance: Maintenance,
  reclaimer: Reclaimer,
  lifecycle: Lifecycle,
): MaintenanceTimers {
  const { clock, graceMs, log } = context;
  const running = new Set<Promise<void>>();
  const guarded = (what: string, work: () => Promise<unknown>): void => {
    const run = (async () => {
      try {
        await work();
      } catch (error) {
        if (!context.stopped) log.error({ err: error }, `${what} failed, to be tried again`);
      }
    })();
    running.add(run);
    void run.then(() => running.delete(run));
  };
  const tickMs = Math.min(Math.max(graceMs / 4, RECLAIM_TICK_MS_MIN), RECLAIM_TICK_MS_MAX);
  let reclaiming = false;
  const reclaim = setInterval(() => {
    const nowMs = clock.now();
    if (reclaiming || !reclaimer.isDue(nowMs)) return;
    reclaiming = true;
    guarded('reclaiming', () =>
      maintenance.runReclaim(nowMs).finally(() => {
        reclaiming = false;
      }),
    );
  }, tickMs);
  const lifecycleMs = Math.min(Math.max(context.dayMs / 8, LIFECYCLE_TICK_MS_MIN), 60_000);
  let walking = false;
  const walk = setInterval(() => {
    if (walking || !lifecycle.isDue(clock.now())) return;
    walking = true;
    guarded('the lifecycle walk', async () => {
      try {
        const report = await maintenance.runLifecycle(clock.now());
        log.info({ ...report }, 'lifecycle walk done');
      } finally {
        walking = false;
      }
    });
  }, lifecycleMs);
  const abortStale = (): void =>
    guarded('aborting stale uploads', () => maintenance.abortStaleUploads(clock.now()));
  const stale = setInterval(abortStale, STALE_UPLOADS_TICK_MS);
  abortStale();
  const scrub = setTimeout(() => {
    guarded('the orphan scrub', async () => {
      const report = await maintenance.scrubOrphans();
      log.info({ ...report }, 'orphan scrub done');
    });
  }, graceMs);
  for (const timer of [reclaim, walk, stale, scrub]) timer.unref();
  return {
    stop: async () => {
      clearInterval(reclaim);
      clearInterval(stale);
      clearInterval(walk);
      clearTimeout(scrub);
      await Promise.all(running);
    },
  };
}
