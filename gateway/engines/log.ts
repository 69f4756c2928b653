/** The few logger methods the engines use; a pino `Logger` satisfies it as it is. */
export interface EngineLog {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

const ignore = (): void => undefined;

/** Used when no logger is injected: says nothing. */
export const silentLog: EngineLog = { debug: ignore, info: ignore, warn: ignore, error: ignore };
