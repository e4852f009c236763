package org.skinedge.core

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** The frame size that is asked of a camera: enough for the model, cheap to convert. */
val PREFERRED_FRAME = FrameSize(1280, 720)

/** Pixels of a camera's frame as the sensor delivers it. */
data class FrameSize(val width: Int, val height: Int)

/** A rectangle on the screen, in pixels. */
data class Box(val left: Float, val top: Float, val right: Float, val bottom: Float)

/**
 * How far a frame must be turned clockwise to stand upright on the display: 0, 90, 180 or 270.
 *
 * @param sensorDegrees the camera's sensor orientation, a multiple of 90.
 * @param displayDegrees the display's rotation from its natural orientation, a multiple of 90.
 * @param facesUser true for a camera on the display's side, which turns the other way.
 */
fun uprightRotation(sensorDegrees: Int, displayDegrees: Int, facesUser: Boolean): Int =
    (sensorDegrees + if (facesUser) displayDegrees else -displayDegrees).mod(360)

/** The size nearest to [wanted]: the smallest difference of width and height together; null of none. */
fun nearestSize(sizes: Iterable<FrameSize>, wanted: FrameSize = PREFERRED_FRAME): FrameSize? =
    sizes.minByOrNull { abs(it.width - wanted.width) + abs(it.height - wanted.height) }

/** The largest centred square of a view, where the guide stands. */
fun centreSquare(viewWidth: Int, viewHeight: Int): Box {
    val side = min(viewWidth, viewHeight)
    return centred(side.toFloat(), side.toFloat(), viewWidth, viewHeight)
}

/** Where a picture stands that is shown whole, centred and as large as the view allows. */
fun fitInside(width: Int, height: Int, viewWidth: Int, viewHeight: Int): Box {
    val scale = min(viewWidth.toFloat() / width, viewHeight.toFloat() / height)
    return centred(width * scale, height * scale, viewWidth, viewHeight)
}

private fun centred(width: Float, height: Float, viewWidth: Int, viewHeight: Int): Box {
    val left = (viewWidth - width) / 2
    val top = (viewHeight - height) / 2
    return Box(left, top, left + width, top + height)
}

/**
 * The transform of a preview that puts the frame's centre square exactly on [centreSquare].
 *
 * Untransformed, a texture view shows the frame upright for the display's natural orientation and
 * stretched to the view. The stretch is undone, the display's rotation turned back, and the frame
 * scaled about the view's centre until the shorter sides agree; what is longer is cut off.
 *
 * @param frame as the sensor delivers it.
 * @param sensorDegrees the camera's sensor orientation, a multiple of 90.
 * @param displayDegrees the display's rotation from its natural orientation, a multiple of 90.
 * @return nine values, row by row, that map a point (x, y, 1) of the view.
 */
fun previewMatrix(
    frame: FrameSize,
    sensorDegrees: Int,
    displayDegrees: Int,
    viewWidth: Int,
    viewHeight: Int,
): FloatArray {
    val sideways = sensorDegrees % 180 != 0
    val naturalWidth = if (sideways) frame.height else frame.width
    val naturalHeight = if (sideways) frame.width else frame.height
    val scale = min(viewWidth, viewHeight).toFloat() / min(frame.width, frame.height)
    val across = scale * naturalWidth / viewWidth
    val down = scale * naturalHeight / viewHeight
    val (cosine, sine) = when (displayDegrees.mod(360)) {
        0 -> 1f to 0f
        90 -> 0f to -1f
        180 -> -1f to 0f
        else -> 0f to 1f
    }
    val centreX = viewWidth / 2f
    val centreY = viewHeight / 2f
    val a = cosine * across
    val b = -sine * down
    val c = sine * across
    val d = cosine * down
    return floatArrayOf(
        a, b, centreX - a * centreX - b * centreY,
        c, d, centreY - c * centreX - d * centreY,
        0f, 0f, 1f,
    )
}

/**
 * By how much a photo is decoded smaller, so that at most [maxPixels] are: a power of two, which
 * every decoder knows how to skip by.
 *
 * @return 1 for the whole photo, 2 for half its width and height, and so on.
 */
fun sampleSize(width: Int, height: Int, maxPixels: Long): Int {
    var sample = 1
    while (max(1, width / sample).toLong() * max(1, height / sample) > maxPixels) sample *= 2
    return sample
}
