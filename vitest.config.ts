import { defineConfig } from 'vitest/config';

// Forks, not threads: native addons dislike living in vitest's worker threads. The crash test is
// no vitest file: it runs for minutes and has a command of its own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.setup.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    pool: 'forks',
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    restoreMocks: true,
  },
});
