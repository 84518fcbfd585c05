/** Bodies in, bodies and errors out. */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod/mini";
import {
  type ErrorBody,
  type ErrorExtra,
  type ErrorName,
  errorBody,
  fail,
  ok,
  type Result,
  statusOf,
} from "../protocol";
import type { EdgeEnv } from "./context";

/** An error, with its status and the request's reference. */
export function refuse(context: Context<EdgeEnv>, error: ErrorBody): Response {
  context.set("refused", error.name);
  // Whole seconds: RFC 9110, 10.2.3.
  const headers =
    error.retryAfter === undefined ? undefined : { "retry-after": String(Math.ceil(error.retryAfter)) };
  const body = { ...error, reference: context.var.reference };
  return context.json(body, statusOf(error) as ContentfulStatusCode, headers);
}

/** An error of the table. */
export function refuseWith(context: Context<EdgeEnv>, name: ErrorName, extra?: ErrorExtra): Response {
  return refuse(context, errorBody(name, extra));
}

/** Reads a body without ever holding more than so many bytes. Errors: tooLarge. */
export async function readBody(request: Request, max: number): Promise<Result<Uint8Array<ArrayBuffer>>> {
  const tooLarge = () => fail("tooLarge", { detail: `The body has more than ${max} bytes.` });
  if (Number(request.headers.get("content-length") ?? 0) > max) return tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > max) return tooLarge();
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return ok(body);
}

/** The body as a value of the schema; the error's detail names the field. Errors: invalidRequest. */
export function parseBody<T extends z.ZodMiniType>(context: Context<EdgeEnv>, schema: T): Result<z.infer<T>> {
  let json: unknown;
  try {
    json = JSON.parse(decode(context));
  } catch {
    return fail("invalidRequest", { detail: "The body is not JSON." });
  }
  return parseValue(schema, json);
}

/** The body as a text. Errors: invalidRequest. */
export function textBody(context: Context<EdgeEnv>): Result<string> {
  try {
    return ok(decode(context));
  } catch {
    return fail("invalidRequest", { detail: "The body is not UTF-8." });
  }
}

function decode(context: Context<EdgeEnv>): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(context.var.body);
}

/** Lines of CSV, as they come. */
export function csv(context: Context<EdgeEnv>, lines: AsyncGenerator<string>): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await lines.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
  });
  return context.body(body, 200, { "content-type": "text/csv; charset=utf-8; header=present" });
}

/** The query as a value of the schema. Errors: invalidRequest. */
export function parseQuery<T extends z.ZodMiniType>(
  context: Context<EdgeEnv>,
  schema: T,
): Result<z.infer<T>> {
  return parseValue(schema, context.req.query());
}

/** A value of the schema; the error's detail names the field. Errors: invalidRequest. */
export function parseValue<T extends z.ZodMiniType>(schema: T, value: unknown): Result<z.infer<T>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const rule = issue?.code === "invalid_type" ? `has to be of type ${issue.expected}` : issue?.message;
  const field = issue?.path.join(".") || "body";
  return fail("invalidRequest", { detail: `${field}: ${rule ?? "is malformed"}` });
}
