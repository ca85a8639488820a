// Takes one photo with the device's camera. Holds the camera only while it is open; sends nothing anywhere.

/** Starts the camera in `video`; returns the stream. Throws an Error whose message says what to do. */
export async function open(video) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the camera only to pages served over https or from this machine (localhost).");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } },
      audio: false,
    });
  } catch (error) {
    throw new Error(WORDS[error.name] ?? `The camera did not start: ${error.message}`);
  }
  video.srcObject = stream;
  await video.play();
  return stream;
}

export function close(video, stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** The picture that `video` shows now, as a PNG file: what was seen is what is judged. */
export async function shoot(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], "camera.png", { type: "image/png" });
}

const WORDS = {
  NotAllowedError: "The browser refused the camera. Allow it for this page, then try again.",
  NotFoundError: "There is no camera on this device.",
  NotReadableError: "The camera is in use by another program.",
};
