/**
 * Voice and video calls, and messages, over a Carillon deployment: see {@link CarillonClient}.
 *
 * @packageDocumentation
 */
export type {
  CallHeaders,
  CallState,
  EndCause,
  ErrorBody,
  ErrorName,
  MediaState,
  MessageState,
  PresenceResult,
} from "../../protocol";
export { AudioController } from "./audio";
export { Call } from "./call";
export { CallClient, type CallClientEvents, type CallOptions } from "./call-client";
export type { AnswerOptions, CallDetails, CallDirection, CallEvents, QualityWarning } from "./call-types";
export { CarillonClient } from "./client";
export type { CarillonClientOptions, ClientEvents } from "./client-types";
export type { CameraPosition } from "./devices";
export { checkEnvironment, type EnvironmentIssue, type EnvironmentOptions } from "./environment";
export { CarillonError, type ErrorDomain } from "./errors";
export type { LogLevel, LogMessage } from "./log";
export { MessageClient } from "./message-client";
export {
  type History,
  type HistoryOptions,
  type Message,
  type MessageClientEvents,
  type MessageFailure,
  type StoredMessage,
  WritableMessage,
} from "./messages";
export type { CallQuality, QualityReason } from "./quality";
export type { Credentials, Registration } from "./registration";
export type { Socket, SocketClass, WebRtc } from "./runtime";
export type { CarillonStorage } from "./storage";
export { VideoController, type VideoScaling } from "./video";
