/** Whether a file's name is that of an image that is read here. */
export const IMAGE_FILE = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;
