package org.skinedge.demo

import android.content.res.AssetManager
import org.skinedge.core.ModelFile
import org.skinedge.core.ModelFileException
import java.io.FileInputStream
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

private const val MODEL = "model.tflite"
private const val SHA256 = "model.sha256"

/**
 * The model in this APK.
 *
 * @property content the whole file, mapped from the APK and read-only.
 * @property builtSha256 the SHA-256 that the build saw, lower-case hex.
 */
class ModelAsset(val file: ModelFile, val content: ByteBuffer, val builtSha256: String) {
    /** Whether the file is, byte by byte, what this app was built with. */
    val matches: Boolean get() = file.sha256 == builtSha256
}

/**
 * Maps and reads the model among the assets.
 *
 * @throws ModelFileException it is missing, stored compressed, damaged, or no model.
 */
fun readModelAsset(assets: AssetManager): ModelAsset {
    val content: ByteBuffer
    val sha256: String
    try {
        content = assets.openFd(MODEL).use { asset ->
            FileInputStream(asset.fileDescriptor).channel.use {
                it.map(FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)
            }
        }
        sha256 = assets.open(SHA256).use { it.reader().readText().trim() }
    } catch (error: IOException) {
        throw ModelFileException("$MODEL: not readable in this app (${error.message}); build it again")
    }
    return ModelAsset(ModelFile.read(content), content, sha256)
}
