package org.skinedge.core

import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

private class Entry(val name: ByteArray, val content: ByteArray, val offset: Int)

/** A flatbuffer with a zip of stored files behind it, offsets from the beginning, as SkinEdge packs its models. */
fun packed(flatbuffer: ByteArray, files: Map<String, String>): ByteBuffer {
    val out = ByteArrayOutputStream()
    out.write(flatbuffer)
    val entries = files.map { (name, text) ->
        val entry = Entry(name.toByteArray(), text.toByteArray(), out.size())
        out.write(fields(0x04034b50, 30) { common(4, entry) })
        out.write(entry.name)
        out.write(entry.content)
        entry
    }
    val directory = out.size()
    for (entry in entries) {
        out.write(fields(0x02014b50, 46) { common(6, entry).putInt(42, entry.offset) })
        out.write(entry.name)
    }
    val size = out.size() - directory
    out.write(
        fields(0x06054b50, 22) {
            putShort(8, entries.size.toShort()).putShort(10, entries.size.toShort())
            putInt(12, size).putInt(16, directory)
        },
    )
    return native(out.toByteArray())
}

private fun fields(signature: Int, bytes: Int, fill: ByteBuffer.() -> Unit): ByteArray {
    val buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN)
    buffer.putInt(0, signature)
    buffer.fill()
    return buffer.array()
}

/** What a local header and the directory both say of an entry, from different offsets on. */
private fun ByteBuffer.common(from: Int, entry: Entry): ByteBuffer {
    val crc = CRC32().apply { update(entry.content) }.value
    putShort(from, 20).putInt(from + 10, crc.toInt())
    putInt(from + 14, entry.content.size).putInt(from + 18, entry.content.size)
    return putShort(from + 22, entry.name.size.toShort())
}
