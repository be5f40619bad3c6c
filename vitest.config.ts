import { defineConfig } from 'vitest/config';

/** What measures real traffic on real interfaces: two at once would disturb each other. */
const REAL = ['test/netns/**/*.test.ts', 'test/page/**/*.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['wire/**', 'eapol/**', 'igmp/**', 'radius/**', 'session/**', 'auth/**', 'accounting/**'],
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: REAL,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: REAL,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
