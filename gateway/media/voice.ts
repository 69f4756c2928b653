/** The caller's ear and keypad as the spoken dialogue knows them, over an endpoint. */
import { BufferedKeys, type Voice } from '../../ivr/index.js';
import type { MediaEndpoint } from './endpoint.js';

/** Files as one thing to play, as the media server reads it (`file_string` of FreeSWITCH). @param folder as the media server sees it */
export function fileList(folder: string, files: readonly string[]): string {
  return `file_string://${files.map((file) => `${folder}/${file}`).join('!')}`;
}

type KeySource = 'rtp' | 'info';

export class EndpointVoice implements Voice {
  readonly keys = new BufferedKeys();
  private source: KeySource | undefined;
  private endpoint: MediaEndpoint;

  /**
   * @param promptsPath folder of the prompts as the media server sees it
   */
  constructor(endpoint: MediaEndpoint, private readonly promptsPath: string) {
    this.endpoint = endpoint;
    endpoint.onKey((key) => this.press(key, 'rtp'));
  }

  /**
   * A key was pressed. Some trunks send each key twice, in the media stream and in a SIP INFO; whichever came first in
   * this call is believed from then on, the other is ignored.
   */
  press(key: string, source: KeySource): void {
    this.source ??= source;
    if (source === this.source) this.keys.push(key);
  }

  /** Goes on at another endpoint: keys of the old one are not heard any more. */
  moveTo(endpoint: MediaEndpoint): void {
    this.endpoint = endpoint;
    endpoint.onKey((key) => this.press(key, 'rtp'));
  }

  async play(files: readonly string[], signal: AbortSignal): Promise<void> {
    for (const file of files) {
      if (signal.aborted) return;
      await this.endpoint.play(`${this.promptsPath}/${file}`, signal);
    }
  }
}
