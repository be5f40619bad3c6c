/** What a way table believes of itself where the kernel refuses. */
import { describe, expect, it } from 'vitest';
import { WayTable } from '../../connection-backup/linux/way-table.ts';

describe('a way table that the kernel refuses something', () => {
  it('still passes packets on, and tries again', () => {
    let errno: string | undefined;
    let asked = 0;
    const table = new WayTable(() => 0, {
      transact: () => {
        asked++;
        return errno === undefined
          ? { messages: [], refusal: undefined }
          : { messages: [], refusal: { errno, text: undefined } };
      },
      close: () => {},
    });
    table.forward();
    errno = 'ENOBUFS';
    expect(table.keep()?.errno).toBe('ENOBUFS');
    expect(table.forwards).toBe(true);
    errno = undefined;
    expect(table.keep()).toBeUndefined();
    expect(table.forwards).toBe(false);
    expect(asked).toBe(3);
  });

  it('is still quiet where it may not speak', () => {
    let errno: string | undefined;
    const table = new WayTable(() => 0, {
      transact: () =>
        errno === undefined
          ? { messages: [], refusal: undefined }
          : { messages: [], refusal: { errno, text: undefined } },
      close: () => {},
    });
    table.quiet(100);
    errno = 'EINTR';
    table.speak();
    expect(table.isQuiet).toBe(true);
    errno = 'ENOENT';
    table.speak();
    expect(table.isQuiet).toBe(false);
  });
});
