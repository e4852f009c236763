package org.skinedge.core

/**
 * A row or column of pixels by channel, whole numbers 0..255. Channels have arrays of their own because
 * HotSpot makes vector code only of loops whose arrays all have the same index.
 */
class RgbLine(pixels: Int) {
    val red = FloatArray(pixels)
    val green = FloatArray(pixels)
    val blue = FloatArray(pixels)
}
