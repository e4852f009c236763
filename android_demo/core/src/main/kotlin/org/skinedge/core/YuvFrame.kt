package org.skinedge.core

import java.nio.ByteBuffer

/**
 * One YUV_420_888 frame as a camera delivers it: full-resolution luma, chroma at half of it in both
 * directions (rounded up), 8 bits each. A holder to be filled again for every frame.
 *
 * A plane starts at its buffer's position and ends at its limit; reading a frame leaves both as
 * they were. Buffers may be direct or on the heap, and `u` and `v` may look into the same memory, as
 * they do for NV12 and NV21. The last row of a plane may end with its last pixel, short of the stride.
 */
class YuvFrame {
    /** Pixels of the luma plane, as the sensor delivers it, before any rotation. */
    var width = 0
    var height = 0

    var y: ByteBuffer = EMPTY

    /** Bytes from one row of luma to the next; its pixel stride is 1 by Android's contract. */
    var yRowStride = 0

    var u: ByteBuffer = EMPTY
    var v: ByteBuffer = EMPTY

    /** Bytes from one row of chroma to the next, the same for both planes. */
    var uvRowStride = 0

    /** Bytes from one chroma sample to the next: 1 is planar, 2 semi-planar. */
    var uvPixelStride = 1

    val chromaWidth: Int get() = width / 2 + width % 2
    val chromaHeight: Int get() = height / 2 + height % 2

    fun set(
        width: Int,
        height: Int,
        y: ByteBuffer,
        yRowStride: Int,
        u: ByteBuffer,
        v: ByteBuffer,
        uvRowStride: Int,
        uvPixelStride: Int,
    ) {
        this.width = width
        this.height = height
        this.y = y
        this.yRowStride = yRowStride
        this.u = u
        this.v = v
        this.uvRowStride = uvRowStride
        this.uvPixelStride = uvPixelStride
    }

    /** @throws FrameException if the planes do not hold a frame of this size. */
    fun check() {
        if (width < 1 || height < 1) {
            throw FrameException("frame is $width x $height pixels; it needs at least 1 x 1")
        }
        if (uvPixelStride < 1) {
            throw FrameException("frame has a chroma pixel stride of $uvPixelStride; it must be 1 or more")
        }
        checkPlane("y", y, yRowStride, 1, width, height)
        checkPlane("u", u, uvRowStride, uvPixelStride, chromaWidth, chromaHeight)
        checkPlane("v", v, uvRowStride, uvPixelStride, chromaWidth, chromaHeight)
    }

    private fun checkPlane(name: String, plane: ByteBuffer, rowStride: Int, pixelStride: Int, columns: Int, rows: Int) {
        val row = (columns - 1L) * pixelStride + 1
        if (rowStride < row) {
            throw FrameException("plane $name has a row stride of $rowStride bytes; its rows need at least $row")
        }
        val needed = (rows - 1L) * rowStride + row
        if (plane.remaining() < needed) {
            throw FrameException("plane $name holds ${plane.remaining()} bytes; a $width x $height frame needs $needed")
        }
    }

    private companion object {
        val EMPTY: ByteBuffer = ByteBuffer.allocate(0)
    }
}
