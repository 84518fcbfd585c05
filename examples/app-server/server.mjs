/** GET /credentials?userId=alice[&scheme=signature]: what `registration.register()` of the SDK takes. */
import { createServer } from "node:http";
import { signature, token } from "./sign.mjs";

const { APPLICATION_KEY: applicationKey, APPLICATION_SECRET: applicationSecret, PORT = "8080" } = process.env;
if (!applicationKey || !applicationSecret) throw new Error("Set APPLICATION_KEY and APPLICATION_SECRET.");

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const userId = searchParams.get("userId");
  if (pathname !== "/credentials" || !userId) return response.writeHead(404).end();
  // A real server goes by its own session here: it signs for the user who is logged in, and nobody else.
  const make = searchParams.get("scheme") === "signature" ? signature : token;
  response.writeHead(200, { "content-type": "application/json", "access-control-allow-origin": "*" });
  response.end(JSON.stringify(make({ applicationKey, applicationSecret, userId })));
}).listen(Number(PORT), "127.0.0.1");
