/**
 * Pushes: how a device wants to be woken, and what the push carries. SPEC section 5.
 *
 * What travels is one text, `sin`: JSON of {@link PushPayload}. It is in `sin` beside `aps` on APNs
 * and in `data.sin` on FCM; on Web Push the decrypted body is `{"sin": "…"}`.
 */
import type { CallHeaders, EndCause } from "./frames";

/** How an installation is woken by Carillon: `PUT /v1/push/device`. */
export type PushDevice = ApnsDevice | FcmDevice | WebPushDevice;

/** An iPhone, iPad, or Mac. At least one of the tokens. */
export interface ApnsDevice {
  provider: "apns";
  bundleId: string;
  /** Has to fit how the app is signed. */
  environment: "development" | "production";
  /** Of PushKit, hexadecimal. */
  voipToken?: string;
  /** Of UIApplication, hexadecimal. */
  alertToken?: string;
  /**
   * What calls come as. `auto` (the default): VoIP where there is a token for it, an alert otherwise.
   * Messages are always alerts: iOS takes a VoIP push for a call.
   */
  type?: "auto" | "voip" | "alert";
  /** Of alerts: the name of a sound in the app's bundle, or `default`. */
  sound?: string;
  /** Alerts go through the app's notification service extension. */
  mutableContent?: boolean;
}

/** Android. */
export interface FcmDevice {
  provider: "fcm";
  /** The registration token. */
  token: string;
  /** The Firebase project, where the application has credentials for several. */
  projectId?: string;
}

/** A browser: what `PushSubscription.toJSON()` says, and the key that it was made with. */
export interface WebPushDevice {
  provider: "webpush";
  endpoint: string;
  keys: { p256dh: string; auth: string };
  /** The application server key that it subscribed with, base64url; missing: the application's newest. */
  applicationServerKey?: string;
}

/** 200 of `PUT /v1/push/device`. */
export interface PushDeviceResult {
  /** The application has credentials that fit the device. Without them nothing can be sent to it. */
  deliverable: boolean;
}

/** 200 of `GET /v1/push/web`: what a page subscribes with. */
export interface WebPushKey {
  /** Base64url of an uncompressed P-256 point. */
  applicationServerKey: string;
}

/** For the app's own server: the payload to send and the push data of the device that it is for. */
export interface PushPair {
  /** The `sin` for the device, at most 100 bytes. */
  payload: string;
  /** What the device registered, base64. */
  data: string;
  /** Whose device it is. */
  to: string;
}

/** What the text `sin` is JSON of. Readable by native code, too: an iPhone has to report a call before JavaScript runs. */
export interface PushPayload {
  v: 1;
  type: "call" | "cancel" | "message";
  /** The call's id (a UUID, as CallKit wants it) or the message's. */
  id: string;
  /** The application that the call belongs to, when that is not the user's own. */
  origin?: string;
  /** The user that it is for. */
  to?: string;
  /** The sender; missing for a message of the application itself, and where there is no room. */
  from?: string;
  name?: string;
  video?: true;
  headers?: CallHeaders;
  /** Why the call is over. */
  cause?: EndCause;
  /** When it stops to matter, milliseconds since 1970 on the server's clock: for a call, when it stops ringing. */
  until: number;
  /** Lets the device decline the call without being connected: `POST /v1/push/decline`. */
  key?: string;
}

/** The body of `POST /v1/push/decline`: whoever has a call's push may decline the call. */
export interface PushDecline {
  applicationKey: string;
  userId: string;
  callId: string;
  origin?: string;
  key: string;
}
