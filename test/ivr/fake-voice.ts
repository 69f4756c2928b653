import { getEventListeners } from 'node:events';
import { expect, vi } from 'vitest';
import { BufferedKeys, type Voice } from '../../ivr/index.js';

/** A call on which every file takes one second and that remembers what was heard. */
export class FakeVoice implements Voice {
  readonly keys = new BufferedKeys();
  /** Files heard to their end, and `file!` for those cut off. */
  readonly heard: string[] = [];
  /** Playbacks running now; two at once would be two voices through each other. */
  playing = 0;
  most = 0;
  failure: Error | undefined;
  fileMs = 1000;

  async play(files: readonly string[], signal: AbortSignal): Promise<void> {
    this.playing += 1;
    this.most = Math.max(this.most, this.playing);
    try {
      for (const file of files) {
        if (signal.aborted) return;
        if (this.failure) throw this.failure;
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
          };
          const timer = setTimeout(done, this.fileMs);
          signal.addEventListener('abort', done);
        });
        this.heard.push(signal.aborted ? `${file}!` : file);
      }
    } finally {
      this.playing -= 1;
    }
  }

  press(keys: string): void {
    for (const key of keys) this.keys.push(key);
  }
}

export interface FakeCall {
  readonly voice: FakeVoice;
  /** Aborted when the caller hangs up. */
  readonly call: AbortController;
}

/** Another caller, in the time that runs. */
export const newCall = (): FakeCall => ({ voice: new FakeVoice(), call: new AbortController() });

/** Before each test: a call, in fake time. */
export function beginCall(): FakeCall {
  vi.useFakeTimers();
  return newCall();
}

/** No timer is left behind, and nothing that listens to the end of the call. */
export function expectNothingLeft(call: AbortController): void {
  expect(vi.getTimerCount(), 'timers left behind').toBe(0);
  expect(getEventListeners(call.signal, 'abort'), 'listeners left on the call').toEqual([]);
}

/** After each test: nothing is left, and time is real again. */
export function endCall(call: AbortController): void {
  expectNothingLeft(call);
  vi.useRealTimers();
}

/** Lets so much fake time pass. */
export const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** Files of prompts in Dutch. */
export const nl = (...names: string[]): string[] => names.map((name) => `nl/${name}.wav`);
