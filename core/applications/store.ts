/** What the functions of this folder need from outside. */
export interface Store {
  db: D1Database;
  /** `MASTER_KEY` of the deployment. */
  masterKey: string;
  /** Milliseconds since 1970. */
  now: () => number;
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  randomUUID: () => string;
}
