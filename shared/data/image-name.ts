/** Matches the file names of supported image formats. */
export const IMAGE_FILE = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;
