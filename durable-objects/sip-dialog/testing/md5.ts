/** MD5, of workerd, which has it for old protocols; in a test it stands beside sip.js's own. */
import { Md5 } from "sip.js/lib/core/messages/md5.js";

export const md5 = (text: string): string => Md5.hashStr(text) as string;
