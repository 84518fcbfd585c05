import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env";

export class CallSession extends DurableObject<Env> {}
