declare module "http_ece" {
  import type { ECDH } from "node:crypto";

  interface Parameters {
    version: "aes128gcm";
    privateKey: ECDH;
    /** Base64url. */
    authSecret: string;
    /** Of the receiver, base64url; for encryption. */
    dh?: string;
  }
  export function decrypt(sealed: Buffer, parameters: Parameters): Buffer;
  export function encrypt(text: Buffer, parameters: Parameters & { rs?: number; pad?: number }): Buffer;
}
