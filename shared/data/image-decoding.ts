import { DataError } from "../basics/errors.js";
import type { ImagePreprocessing } from "../configuration/engine-schema.js";

/** Most pixels of an image, about 10,000 by 10,000; a decoded one takes four bytes per pixel. */
const MAX_PIXELS = 100_000_000;

/** The size and layout that images are brought to. */
export interface ImageGeometry {
  /** Length of the image's shorter side after resizing, in pixels. */
  readonly resize: number;
  /** Height of the centre crop in pixels; `width` likewise. */
  readonly height: number;
  readonly width: number;
  readonly layout: ImagePreprocessing["layout"];
  readonly channels: ImagePreprocessing["channels"];
}

export function channelCount(channels: ImagePreprocessing["channels"]): number {
  return channels === "GRAY" ? 1 : 3;
}

/**
 * Decodes an image, resizes its shorter side (linear interpolation, the longer side rounded down), crops the
 * centre and arranges the 8-bit values in the model's layout. Orientation tags are ignored, as in PIL.
 *
 * @returns `channels x height x width` values for NCHW, `height x width x channels` for NHWC
 * @throws {DataError} when the file is not an image, or has more than 100 million pixels
 */
export async function decodeImage(file: string, geometry: ImageGeometry): Promise<Uint8Array> {
  // Imported on demand, so that this module also loads where sharp is not installed, as on Lambda.
  const { default: sharp } = await import("sharp");
  try {
    const options = { limitInputPixels: MAX_PIXELS, failOn: "error" } as const;
    const { width, height } = await sharp(file, options).metadata();
    const factor = geometry.resize / Math.min(width, height);
    const resized = {
      width: width <= height ? geometry.resize : Math.floor(width * factor),
      height: height <= width ? geometry.resize : Math.floor(height * factor),
    };
    const image = sharp(file, options)
      .removeAlpha()
      .toColourspace(geometry.channels === "GRAY" ? "b-w" : "srgb")
      .resize({ ...resized, fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
      .extract({
        left: Math.round((resized.width - geometry.width) / 2),
        top: Math.round((resized.height - geometry.height) / 2),
        width: geometry.width,
        height: geometry.height,
      });
    const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return arrange(data, info.channels, geometry);
  } catch (error) {
    throw undecodable(file, error);
  }
}

function undecodable(file: string, error: unknown): DataError {
  const reason = (error instanceof Error ? error.message : String(error)).split("\n", 1)[0];
  return new DataError(
    `${file} cannot be decoded as an image (${reason}); replace it or take it out of the list.`,
    { cause: error },
  );
}

/** Rearranges interleaved RGB (or single grey) values to the model's layout and channel order. */
function arrange(
  pixels: Uint8Array,
  given: number,
  { height, width, layout, channels }: ImageGeometry,
): Uint8Array {
  const wanted = channelCount(channels);
  const area = height * width;
  const out = new Uint8Array(area * wanted);
  for (let channel = 0; channel < wanted; channel++) {
    const source = Math.min(channels === "BGR" ? wanted - 1 - channel : channel, given - 1);
    for (let pixel = 0; pixel < area; pixel++) {
      const at = layout === "NCHW" ? channel * area + pixel : pixel * wanted + channel;
      out[at] = pixels[pixel * given + source]!;
    }
  }
  return out;
}
