/** One picture of a video, as PNG: loaded when somebody wants one. */
import { makeError, must } from "./errors";

export function grabFrame(view: HTMLVideoElement): Promise<Blob> {
  must(view.videoWidth, "no picture");
  const canvas = document.createElement("canvas");
  canvas.width = view.videoWidth;
  canvas.height = view.videoHeight;
  canvas.getContext("2d")?.drawImage(view, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(makeError("invalidUse", "no picture"))));
  });
}
