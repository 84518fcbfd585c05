/** A request to a push service, ready to be sent. */
export interface Post {
  url: string;
  headers: Record<string, string>;
  body: string;
}
