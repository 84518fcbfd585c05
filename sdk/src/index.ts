/**
 * Voice and video calls, and messages, over a Carillon deployment: see {@link CarillonClient}.
 *
 * @packageDocumentation
 */
export type {
  CallCost,
  CallHeaders,
  CallRate,
  CallState,
  EndCause,
  ErrorBody,
  ErrorName,
  MediaState,
  MessageState,
  PresenceResult,
  PushDevice,
} from "../../protocol";
export type { AudioController } from "./audio";
export type { Call } from "./call";
export type { CallClient, CallClientEvents, CallOptions } from "./call-client";
export type {
  AnswerOptions,
  CallDetails,
  CallDirection,
  CallEvents,
  Invitation,
  QualityWarning,
} from "./call-types";
export { checkEnvironment, type EnvironmentIssue, type EnvironmentOptions } from "./check-environment";
export { CarillonClient } from "./client";
export type { CarillonClientOptions, ClientEvents } from "./client-types";
export type { Participant } from "./conference/participant";
export type { CameraPosition } from "./devices";
export { CarillonError, type ErrorDomain } from "./errors";
export type { LogLevel, LogMessage } from "./log";
export type { MessageClient } from "./message-client";
export {
  type History,
  type HistoryOptions,
  type Message,
  type MessageClientEvents,
  type MessageFailure,
  type StoredMessage,
  WritableMessage,
} from "./messages";
export {
  type NotificationResult,
  type PushPair,
  queryPushNotificationPayload,
} from "./notification";
export type { LocalNotification, PushClient, PushClientEvents } from "./push-client";
export type { CallQuality, QualityReason } from "./quality";
export type { Credentials, Registration } from "./registration";
export type { Socket, SocketClass, WebRtc } from "./runtime";
export type { CarillonStorage } from "./storage";
export type { VideoController, VideoScaling } from "./video";
