package org.skinedge.core

import java.nio.ByteBuffer

/**
 * The drawn scene that the golden vectors start from (tools/golden_android_pixels.py), and windows on
 * it: it repeats in both directions.
 */
object Scene {
    private const val WIDTH = 320
    private const val HEIGHT = 240
    private const val PADDING = 0xab.toByte()

    private val content = resource("scene.bin")
    private val luma = Plane(0, WIDTH, HEIGHT)
    private val cb = Plane(WIDTH * HEIGHT, WIDTH / 2, HEIGHT / 2)
    private val cr = Plane(WIDTH * HEIGHT * 5 / 4, WIDTH / 2, HEIGHT / 2)

    class Plane(private val start: Int, private val width: Int, private val height: Int) {
        operator fun get(x: Int, y: Int): Byte = content[start + y % height * width + x % width]
    }

    fun resource(name: String): ByteArray =
        checkNotNull(javaClass.getResourceAsStream("/pixels/$name")) { "$name is not among the test resources" }
            .use { it.readBytes() }

    /**
     * A window laid out as a camera does it: rows padded to their strides, except the last, and a plane
     * that does not start at the beginning of its buffer.
     *
     * @param layout planar; nv12 or nv21, with both chroma planes in the same memory; spaced, with three
     *   bytes from one chroma sample to the next
     * @param x even, as `y` is
     */
    fun frame(
        x: Int,
        y: Int,
        width: Int,
        height: Int,
        layout: String,
        yRowStride: Int = width,
        uvRowStride: Int = 2 * width + 2,
        direct: Boolean = false,
    ): YuvFrame {
        val pixelStride = mapOf("planar" to 1, "nv12" to 2, "nv21" to 2, "spaced" to 3).getValue(layout)
        val columns = (width + 1) / 2
        val rows = (height + 1) / 2
        val row = (columns - 1) * pixelStride + 1
        val bytes = (rows - 1) * uvRowStride + row

        val yPlane = buffer((height - 1) * yRowStride + width, direct)
        fill(yPlane, luma, x, y, width, height, yRowStride, 1)
        val first: ByteBuffer
        val second: ByteBuffer
        if (pixelStride == 2) {
            val both = buffer(bytes + 1, direct)
            first = both.duplicate()
            first.limit(first.limit() - 1)
            second = both.duplicate()
            second.position(second.position() + 1)
        } else {
            first = buffer(bytes, direct)
            second = buffer(bytes, direct)
        }
        val u = if (layout == "nv21") second else first
        val v = if (layout == "nv21") first else second
        fill(u, cb, x / 2, y / 2, columns, rows, uvRowStride, pixelStride)
        fill(v, cr, x / 2, y / 2, columns, rows, uvRowStride, pixelStride)
        return YuvFrame().apply { set(width, height, yPlane, yRowStride, u, v, uvRowStride, pixelStride) }
    }

    /** The photo of the golden vectors: each channel is the luma of a place of its own. */
    fun photo(width: Int, height: Int, opaque: Boolean) = IntArray(width * height) {
        val x = it % width
        val y = it / width
        val alpha = if (opaque) 255 else luma[x, y + 30].toInt() and 0xff
        val red = luma[x + 90, y + 80].toInt() and 0xff
        val green = luma[x + 110, y + 100].toInt() and 0xff
        val blue = luma[x + 130, y + 60].toInt() and 0xff
        alpha shl 24 or (red shl 16) or (green shl 8) or blue
    }

    private fun buffer(bytes: Int, direct: Boolean): ByteBuffer {
        val start = 5
        val buffer = if (direct) ByteBuffer.allocateDirect(start + bytes) else ByteBuffer.allocate(start + bytes)
        for (i in 0 until buffer.capacity()) buffer.put(i, PADDING)
        buffer.position(start)
        return buffer
    }

    private fun fill(
        into: ByteBuffer,
        plane: Plane,
        left: Int,
        top: Int,
        columns: Int,
        rows: Int,
        rowStride: Int,
        pixelStride: Int,
    ) {
        for (row in 0 until rows) {
            for (column in 0 until columns) {
                val at = into.position() + row * rowStride + column * pixelStride
                into.put(at, plane[left + column, top + row])
            }
        }
    }
}
