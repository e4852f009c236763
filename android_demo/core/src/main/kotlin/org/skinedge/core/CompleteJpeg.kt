package org.skinedge.core

import java.io.DataInputStream
import java.io.EOFException
import java.io.InputStream

private const val MARKER = 0xFF
private const val END = 0xD9
private val WITHOUT_CONTENT = setOf(0x00, 0x01) + (0xD0..0xD8)  // an escaped 0xFF, restarts, the start

/** Whether a JPEG has its end; a thumbnail's end, inside a segment, is not mistaken for it. */
fun isCompleteJpeg(content: InputStream): Boolean {
    val bytes = DataInputStream(content.buffered())
    try {
        while (true) {
            if (bytes.readUnsignedByte() != MARKER) continue
            var kind = bytes.readUnsignedByte()
            while (kind == MARKER) kind = bytes.readUnsignedByte()
            if (kind == END) return true
            if (kind !in WITHOUT_CONTENT) repeat(bytes.readUnsignedShort() - 2) { bytes.readUnsignedByte() }
        }
    } catch (_: EOFException) {
        return false
    }
}
