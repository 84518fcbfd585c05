/** Secrets at rest: AES-GCM under a key of the deployment, bound to the application they belong to. */
import { fromBase64, toBase64, utf8 } from "../authentication/bytes";
import { deriveKey } from "../authentication/master-key";

export interface SealedSecret {
  /** Base64, both. */
  ciphertext: string;
  iv: string;
}

export async function sealSecret(
  masterKey: string,
  applicationKey: string,
  secret: string,
  iv: Uint8Array<ArrayBuffer>,
): Promise<SealedSecret> {
  const key = await aesKey(masterKey);
  const sealed = await crypto.subtle.encrypt(algorithm(iv, applicationKey), key, utf8(secret));
  return { ciphertext: toBase64(new Uint8Array(sealed)), iv: toBase64(iv) };
}

/** Throws when the master key is another one, or the row was moved from another application. */
export async function openSecret(
  masterKey: string,
  applicationKey: string,
  sealed: SealedSecret,
): Promise<string> {
  const iv = fromBase64(sealed.iv) ?? new Uint8Array();
  const ciphertext = fromBase64(sealed.ciphertext) ?? new Uint8Array();
  const key = await aesKey(masterKey);
  const opened = await crypto.subtle.decrypt(algorithm(iv, applicationKey), key, ciphertext);
  return new TextDecoder().decode(opened);
}

function algorithm(iv: Uint8Array<ArrayBuffer>, applicationKey: string) {
  return { name: "AES-GCM", iv, additionalData: utf8(applicationKey) };
}

async function aesKey(masterKey: string): Promise<CryptoKey> {
  const raw = await deriveKey(masterKey, "application secrets");
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}
