package org.skinedge.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The model in this repository that the app is built with, as native memory. */
val embeddedModel: ByteBuffer by lazy {
    val file = generateSequence(File("").absoluteFile, File::getParentFile)
        .map { it.resolve("src/skinedge/models/edge.tflite") }
        .first(File::isFile)
    native(file.readBytes())
}

/** A copy in direct memory and native order, as an app maps its assets. */
fun native(bytes: ByteArray): ByteBuffer {
    val copy = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
    copy.duplicate().put(bytes)
    return copy
}

fun ByteBuffer.bytes(): ByteArray = ByteArray(remaining()).also { slice().get(it) }
