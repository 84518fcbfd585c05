export type LogLevel = "debug" | "info" | "warning" | "error";

/** A line of the SDK's log. */
export interface LogMessage {
  level: LogLevel;
  /** The part that speaks: `client`, `connection`, `registration`, `call`, `media`, `messages`, `statistics`. */
  area: string;
  message: string;
}

export type Log = (level: LogLevel, area: string, message: string) => void;
