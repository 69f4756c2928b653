import type { Source } from '../sip-stack/index.js';

/** Time of day in UTC as drachtio writes it: `HH:MM:SS.uuuuuu`. */
export const wireTime = (): string => `${new Date().toISOString().slice(11, 23)}000`;

/** Meta line of a request from the network; `fresh` for one outside any dialog, which also says where it arrived. */
export function requestMeta(options: { bytes: number; source: Source; txn: string; dialogId: string; isAck: boolean; fresh: boolean }): string {
  const { source } = options;
  const base = `sip|network|${options.bytes}|${options.isAck ? '' : source.protocol}|${source.address}|${source.port}|${wireTime()}|${options.txn}|${options.dialogId}|`;
  return options.fresh ? `${base}${source.localAddress}|${source.localPort}|` : base;
}

/** Meta line of a response from the network, or of one made here when there is no source. */
export function responseMeta(options: { bytes: number; source: Source | undefined; protocol: string; txn: string; dialogId: string }): string {
  const { source } = options;
  return `sip|network|${source === undefined ? 0 : options.bytes}|${source?.protocol ?? options.protocol}|${source?.address ?? ''}|${source?.port ?? 0}|${wireTime()}|${options.txn}|${options.dialogId}|`;
}

/** Meta line of a BYE the server sent on its own. */
export const unsolicitedMeta = (options: { bytes: number; protocol: string; host: string; port: number; dialogId: string }): string =>
  `sip|application|${options.bytes}|${options.protocol}|${options.host}|${options.port}|${wireTime()}|unsolicited|${options.dialogId}|`;

/** Rest of the answer to an accepted request command. */
export const requestEcho = (options: { bytes: number; protocol: string; host: string; port: number; txn: string }): string =>
  `OK|application|${options.bytes}|${options.protocol}|${options.host}|${options.port}|${wireTime()}|${options.txn}|Msg sent:|`;

/** Rest of the answer to an accepted response command. */
export const responseEcho = (options: { bytes: number; protocol: string; source: Source; txn: string; dialogId: string }): string =>
  `OK|application|${options.bytes}|${options.protocol}|${options.source.address}|${options.source.port}|${wireTime()}|${options.txn}|${options.dialogId}||Msg sent:|`;
