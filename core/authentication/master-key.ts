/** What is derived from the deployment's one secret, `MASTER_KEY`: a key for each use of it (RFC 5869). */
import { type Bytes, fromBase64, utf8 } from "./bytes";

export type KeyUse = "application secrets" | "instance tokens" | "push declines" | "callouts";

/** Derivation costs two awaits per request otherwise. One deployment has one master key. */
const derived = new Map<string, Bytes>();

/** 32 bytes for one use. Throws when `MASTER_KEY` is not 32 bytes or more in base64: a mistake of the deployment. */
export async function deriveKey(masterKey: string, use: KeyUse): Promise<Bytes> {
  const name = `${use}\n${masterKey}`;
  const known = derived.get(name);
  if (known) return known;
  const material = fromBase64(masterKey);
  if (!material || material.length < 32) throw new Error("MASTER_KEY has to be 32 bytes in base64");
  const key = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveBits"]);
  const info = utf8(`carillon ${use} v1`);
  const bits = await crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info },
    key,
    256,
  );
  const bytes = new Uint8Array(bits);
  if (derived.size >= 8) derived.clear();
  derived.set(name, bytes);
  return bytes;
}
