import { defineConfig } from 'vitest/config';

/** What works on real interfaces. */
const REAL = ['test/netns/**/*.test.ts', 'test/page/**/*.test.ts'];
/** Of these, labs of their own that wait for real programs and timers most of their time: two at once fit. */
const WAITING = [
  'test/netns/radius/*.test.ts',
  'test/netns/ports/*.test.ts',
  'test/netns/installed/*.test.ts',
  'test/netns/{accounting-counts,end-to-end,lab,ledger,metrics,mld,operator,reload,rights,story,upgrade}.test.ts',
];

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
          name: 'waiting',
          include: WAITING,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          // Two at once would disturb each other.
          name: 'real',
          include: REAL,
          exclude: WAITING,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
