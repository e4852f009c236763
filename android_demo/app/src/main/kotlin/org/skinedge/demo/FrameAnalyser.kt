package org.skinedge.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.media.Image
import android.media.ImageReader
import android.net.Uri
import android.os.Handler
import android.os.HandlerThread
import android.os.Looper
import org.skinedge.core.FrameException
import org.skinedge.core.FrameSize
import org.skinedge.core.ModelFileException
import org.skinedge.core.YuvFrame

private const val MAX_IMAGES = 3

/**
 * Loads the model and classifies on a thread of its own: the newest frame of a camera, whenever the
 * last one is done, or a photo. Frames that come in between are dropped by the system.
 */
class FrameAnalyser(private val context: Context, listener: Listener) : AutoCloseable {
    /** Told on the main thread. */
    interface Listener {
        fun onModel(asset: ModelAsset)

        fun onModelFailure(message: String)

        /** The reading is the listener's only until it returns. */
        fun onReading(reading: Reading)

        fun onFrameFailure(message: String)

        fun onPhoto(uri: Uri, picture: Bitmap, reading: Reading)

        fun onPhotoFailure(uri: Uri, message: String)
    }

    /** Clockwise degrees that turn the camera's frames upright: 0, 90, 180, 270, or [UNKNOWN]. */
    @Volatile
    var rotationDegrees = UNKNOWN

    @Volatile
    private var listener: Listener? = listener
    private val main = Handler(Looper.getMainLooper())
    private val thread = HandlerThread("analyser").apply { start() }
    private val handler = Handler(thread.looper)

    // What follows belongs to the thread.
    private var asset: ModelAsset? = null
    private var recogniser: Recogniser? = null
    private var reading: Reading? = null
    private val frame = YuvFrame()
    private val showReading = Runnable(::show)
    private var refused = false

    init {
        handler.post(::load)
    }

    /**
     * A reader whose frames are classified as they come, the newest first. They are dropped until
     * [rotationDegrees] is set again.
     */
    fun openReader(size: FrameSize): ImageReader {
        rotationDegrees = UNKNOWN
        handler.post {
            recogniser?.reset()
            refused = false
        }
        val reader =
            ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, MAX_IMAGES)
        reader.setOnImageAvailableListener(::analyse, handler)
        return reader
    }

    /** Closes a reader that nothing writes to any more, once its last frame has been classified. */
    fun closeReader(reader: ImageReader) {
        handler.post(reader::close)
    }

    /** Decodes and classifies a photo. */
    fun recognise(uri: Uri) {
        handler.post { readPhoto(uri) }
    }

    /** Tells the listener nothing more. */
    fun silence() {
        listener = null
    }

    /** Ends the thread when everything asked of it is done. */
    override fun close() {
        handler.post {
            recogniser?.close()
            recogniser = null
        }
        thread.quitSafely()
    }

    private fun tell(message: Listener.() -> Unit) {
        main.post { listener?.message() }
    }

    private fun load() {
        try {
            val asset = readModelAsset(context.assets)
            if (asset.matches) {
                recogniser = Recogniser(asset)
                reading = Reading(asset.file)
                this.asset = asset
            }
            tell { onModel(asset) }
        } catch (error: ModelFileException) {
            tell { onModelFailure(error.message.orEmpty()) }
        }
    }

    private fun analyse(reader: ImageReader) {
        val image = reader.acquireLatestImage() ?: return
        val recogniser = recogniser
        val reading = reading
        val rotation = rotationDegrees
        image.use {
            if (recogniser == null || reading == null || rotation == UNKNOWN || refused) return
            try {
                frame.hold(image)
                if (recogniser.frame(frame, rotation, reading)) main.post(showReading)
            } catch (error: FrameException) {
                refuse(error)
            } catch (error: ModelFileException) {
                refuse(error)
            }
        }
    }

    /** Every further frame would fail alike; they are still taken, or the preview would stop. */
    private fun refuse(error: Exception) {
        refused = true
        tell { onFrameFailure(error.message.orEmpty()) }
    }

    private fun show() {
        val reading = reading ?: return
        listener?.onReading(reading)
        reading.release()
    }

    private fun readPhoto(uri: Uri) {
        val recogniser = recogniser ?: return
        val asset = asset ?: return
        try {
            val photo = loadPhoto(context.contentResolver, uri)
            val reading = Reading(asset.file)
            recogniser.photo(photo.argb, photo.width, photo.height, reading)
            tell { onPhoto(uri, photo.picture, reading) }
        } catch (error: PhotoException) {
            tell { onPhotoFailure(uri, context.getString(error.text)) }
        } catch (error: FrameException) {
            tell { onPhotoFailure(uri, error.message.orEmpty()) }
        } catch (error: ModelFileException) {
            tell { onPhotoFailure(uri, error.message.orEmpty()) }
        }
    }

    private fun YuvFrame.hold(image: Image) {
        val (y, u, v) = image.planes
        set(image.width, image.height, y.buffer, y.rowStride, u.buffer, v.buffer, u.rowStride, u.pixelStride)
    }

    private companion object {
        const val UNKNOWN = -1
    }
}
