/**
 * Ends a run with one plain line, `N passed, N failed`, that any reader of a log understands.
 * Test files that could not even be loaded, errors outside of tests and hooks that failed count
 * as failures. Under the launcher the counts go to the file it names, which adds its own steps.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export function countTests(modules: readonly TestModule[], strayErrors: number): Counts {
  const counts: Counts = { passed: 0, failed: strayErrors, skipped: 0 };
  for (const module of modules) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') failedTests += 1;
      else counts.skipped += 1;
    }
    const broken = failedTests === 0 && module.state() === 'failed';
    counts.failed += broken ? 1 : failedTests;
  }
  return counts;
}

export function countLine(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = countTests(modules, errors.length);
    const path = process.env['SLUICE_COUNTS'];
    if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
    // At exit, to come after the summary of the reporters that run beside this one.
    else process.once('exit', () => process.stdout.write(`${countLine(counts)}\n`));
  }
}
