/** What pure logic needs of an object's storage: `ctx.storage.kv`, or a map in a test. Keys are in the order of UTF-8. */
export interface KeyValue {
  get<T>(key: string): T | undefined;
  put<T>(key: string, value: T): void;
  delete(key: string): boolean;
  list<T>(options: {
    prefix: string;
    start?: string;
    end?: string;
    reverse?: boolean;
    limit?: number;
  }): Iterable<[string, T]>;
}
