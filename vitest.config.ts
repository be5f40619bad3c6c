import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/closing-line.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Namespace tests measure real traffic on real interfaces: two at once would disturb each other.
    fileParallelism: false,
    coverage: {
      provider: 'v8',
      include: ['wire/**', 'eapol/**', 'igmp/**', 'radius/**', 'session/**', 'auth/**', 'accounting/**'],
    },
  },
});
