import { DurableObject } from "cloudflare:workers";
import { openSecret, type SealedSecret, sealSecret } from "../../core/applications/secret-box";
import { log } from "../../core/log";
import { type MintedToken, mintToken, stays } from "../../core/push/provider-token";
import { ok } from "../../protocol";
import type { Env } from "../env";
import type { ProviderToken, ProviderTokenRequest } from "./rpc";

type StoredToken = SealedSecret & Omit<MintedToken, "token">;

/** A provider that has just refused a key, or was away, is not asked again for each push. */
const failedMs = 5_000;

/**
 * One key of a provider: the token that is made with it, one however many ask. Apple refuses a key
 * whose tokens change more often than every 20 minutes.
 */
export class PushCredential extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  readonly #kv = this.ctx.storage.kv;
  #held: MintedToken | null = null;
  #minting: Promise<ProviderToken> | null = null;
  #failed: { until: number; answer: ProviderToken } | null = null;

  /** Errors: invalidValue (the key is refused by the provider, with what it said), unavailable. */
  async token({ credential, refused, reference }: ProviderTokenRequest): Promise<ProviderToken> {
    await this.#open();
    const now = this.clock();
    if (this.#held && stays(this.#held, refused, now)) return answerOf(this.#held);
    if (this.#failed && this.#failed.until > now) return this.#failed.answer;
    this.#minting ??= this.#mint(credential, reference).finally(() => {
      this.#minting = null;
    });
    return this.#minting;
  }

  async #mint(credential: ProviderTokenRequest["credential"], reference: string): Promise<ProviderToken> {
    const { provider } = credential;
    const means = { fetch: (...args: Parameters<typeof fetch>) => fetch(...args), now: () => this.clock() };
    const minted = await mintToken(credential, this.env, means);
    if (!minted.ok) {
      log("warn", "push.token.failed", { reference, provider, detail: minted.error.detail });
      this.#failed = { until: this.clock() + failedMs, answer: minted };
      return minted;
    }
    const { token, ...times } = minted.value;
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await sealSecret(this.env.MASTER_KEY, this.#sealedFor(), token, iv);
    // Whoever is answered can be sure that it is stored: no token is made twice.
    this.#kv.put("token", { ...sealed, ...times } satisfies StoredToken);
    this.#held = minted.value;
    log("info", "push.token.made", { reference, provider });
    return answerOf(minted.value);
  }

  async #open(): Promise<void> {
    if (this.#held) return;
    const stored = this.#kv.get<StoredToken>("token");
    if (!stored) return;
    const { minted, goodUntil } = stored;
    const token = await openSecret(this.env.MASTER_KEY, this.#sealedFor(), stored);
    // Meanwhile another request may have made a newer one.
    this.#held ??= { token, minted, goodUntil };
  }

  #sealedFor(): string {
    return `push credential ${this.ctx.id}`;
  }
}

function answerOf({ token, goodUntil }: MintedToken): ProviderToken {
  return ok({ token, goodUntil });
}
