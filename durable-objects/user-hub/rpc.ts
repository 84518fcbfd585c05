/** What the edge, call sessions and other hubs ask of a {@link UserHub}, beside the socket itself. */
import type {
  CallFrame,
  ErrorBody,
  Message,
  OutgoingMessage,
  PushDevice,
  PushPair,
  Result,
  SendOutcome,
} from "../../protocol";

/** A user, fully named: the key of a UserHub. */
export interface UserAddress {
  applicationKey: string;
  userId: string;
}

/** One connection, as the hub vouches for it. */
export interface Party extends UserAddress {
  instanceId: string;
  connectionId: string;
}

/** What makes a registration acceptable once: checked and used up by the hub. */
export type RegistrationProof =
  /** Scheme 2. `sequence` is a uint64 in decimal. */
  | { kind: "sequence"; sequence: string }
  /** Scheme 3. `expires` is in milliseconds since 1970. */
  | { kind: "nonce"; nonce: string; expires: number };

export interface NewInstance {
  user: UserAddress;
  proof: RegistrationProof;
  deviceId?: string;
  /** When the instance itself expires (`sinch:rtc:instance:exp`), milliseconds since 1970. */
  instanceExpires?: number;
  reference: string;
}

export interface InstanceInfo {
  instanceId: string;
  deviceId?: string;
  /** Milliseconds since 1970, all of them. */
  created: number;
  renewed: number;
  expires?: number;
  /** Where it began to read the user's mailbox. */
  start?: number;
  /** The app on it does not take messages. */
  noMessages?: true;
  /** Who wakes it: its provider, or (`data`) the app's own server. */
  push?: (PushDevice["provider"] | "data")[];
  /** Connections open now. */
  connections: number;
}

export interface Presence {
  online: boolean;
  lastSeen: number | null;
}

/** Events of a call for the connections of one user. */
export interface Delivery {
  user: UserAddress;
  frames: {
    frame: CallFrame;
    /** Only this connection (instanceId/connectionId); otherwise every available one. */
    to?: string;
    /** Every available one but this. */
    except?: string;
  }[];
  reference: string;
}

export interface DeliveryResult {
  /** Keys of the connections of the user that are there for calls: instanceId/connectionId. */
  available: string[];
  /** Keys of all connections of the user. */
  connected: string[];
}

/** A call that rings for the user, offered also to devices that connect until `until`. */
export interface Ring extends Delivery {
  callId: string;
  origin?: string;
  until: number;
}

export interface RingResult extends DeliveryResult {
  /** The user was registered at least once. */
  known: boolean;
  blocked: boolean;
  /** Devices that are being woken. */
  pushed: number;
  /** Those that the app's own server has to wake. */
  pushPairs: PushPair[];
  /** The headers did not fit into every push. */
  headersOmitted: boolean;
}

/** What the Worker has read out of an instance token and vouches for. */
export interface SocketClaims extends UserAddress {
  instanceId: string;
  /** The token's end, milliseconds since 1970. */
  expires?: number;
  reference: string;
}

/** Messages of this hub's user, from the app's server. The hub of the application itself has the user id "". */
export interface Send {
  user: UserAddress;
  messages: OutgoingMessage[];
  displayName?: string;
  reference: string;
}

/** Copies for this hub's user, all of one sender and in the sender's order. */
export interface Take {
  messages: Copy[];
  reference: string;
}

export interface Copy extends Message {
  /** What a push calls the sender. */
  displayName?: string;
}

/**
 * For each message, in the same order: when it was taken (for a repetition: the first time), or
 * userUnknown, userBlocked, messagingUnsupported, mailboxFull, unavailable, conflict (the id was used
 * with another text).
 */
export type Taken = Result<
  { time: number; repeated?: true } & Pick<SendOutcome, "pushPairs" | "headersOmitted">
>[];

/** What became of messages that this hub's user has sent, or (read) has read on another device. */
export interface Receipts {
  notes: Receipt[];
}

export type Receipt =
  | { note: "delivered"; id: string; by: string; time: number }
  | { note: "read"; from: string | null; id: string; by: string; time: number }
  | { note: "failed"; id: string; to: string; error: ErrorBody };
