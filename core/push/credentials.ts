/** The credentials that an application pushes with, in their plain form. Sealed in D1: `credential-store.ts`. */

export type PushCredentialData = ApnsCredential | FcmCredential | VapidCredential;

export type PushProvider = PushCredentialData["provider"];

/** What may be shown of a credential: everything but its private key. */
export type PublicPushCredential = Public<ApnsCredential> | Public<FcmCredential> | Public<VapidCredential>;

type Public<C extends PushCredentialData> = Omit<C, "privateKey">;

/** A token key of Apple's. */
export interface ApnsCredential {
  provider: "apns";
  /** PEM (PKCS #8) of a P-256 key: the text of the `.p8` file. */
  privateKey: string;
  /** 10 characters, both. */
  keyId: string;
  teamId: string;
  /** The app that it is for; missing: all of the team. */
  bundleId?: string;
  /** Missing: both. */
  environment?: "development" | "production";
}

/** A service account of Google's: the fields of its JSON file that are used. */
export interface FcmCredential {
  provider: "fcm";
  projectId: string;
  clientEmail: string;
  /** PEM (PKCS #8) of an RSA key. */
  privateKey: string;
  privateKeyId: string;
}

/** A key pair for Web Push (RFC 8292). */
export interface VapidCredential {
  provider: "webpush";
  /** Base64url of the uncompressed point, 65 bytes. */
  publicKey: string;
  /** Base64url of the scalar, 32 bytes. */
  privateKey: string;
  /** `mailto:` or `https:`; whom a push service writes to. */
  subject: string;
}
