package org.skinedge.demo

import android.content.Context
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CameraMetadata
import android.hardware.camera2.CaptureRequest
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.os.Looper
import android.view.Surface

private const val RETRY_MILLIS = 1000L

// One thread for the process: what a screen that is being left still closes comes before what the
// next one opens, and a camera that opens too late is still closed.
private val handler = Handler(HandlerThread("camera").apply { start() }.looper)

/** Why there are no pictures; [text] is the string resource that says so. */
enum class CameraProblem(val text: Int) {
    NONE_FOUND(R.string.no_camera),
    NOT_ALLOWED(R.string.camera_refused),
    IN_USE(R.string.camera_in_use),
    DISABLED(R.string.camera_disabled),
    FAILED(R.string.camera_failed),
}

/** Runs a camera into a preview and an analyser, on the cameras' own thread. */
class CameraFeed(context: Context, private val analyser: FrameAnalyser, listener: Listener) {
    /** Told on the main thread. */
    interface Listener {
        /** The camera at `position` of `cameras` is about to deliver frames. */
        fun onCamera(cameras: List<Camera>, position: Int)

        fun onCameraProblem(problem: CameraProblem)
    }

    private class Request(val texture: SurfaceTexture, val position: Int)

    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager
    private val main = Handler(Looper.getMainLooper())

    @Volatile
    private var listener: Listener? = listener

    // What follows belongs to the thread.
    private var request: Request? = null
    private var connection: Connection? = null
    private var waiting = false
    private val unavailable = HashSet<String>()
    private val retry = Runnable(::connect)

    /** Opens the camera at `position` of the usable ones, counted round, in place of any open one. */
    fun open(texture: SurfaceTexture, position: Int) {
        handler.post {
            release()
            request = Request(texture, position)
            manager.registerAvailabilityCallback(availability, handler)
            connect()
        }
    }

    /** Closes the camera; a request to open it that is still under way comes to nothing. */
    fun close() {
        handler.post(::release)
    }

    /** Releases a preview's texture, once no camera writes to it. */
    fun discard(texture: SurfaceTexture) {
        handler.post {
            if (request?.texture === texture) release()
            texture.release()
        }
    }

    /** Closes the camera for good, tells nothing more, and closes the analyser behind it. */
    fun shutDown() {
        listener = null
        handler.post {
            release()
            analyser.close()
        }
    }

    private fun release() {
        manager.unregisterAvailabilityCallback(availability)
        handler.removeCallbacks(retry)
        unavailable.clear()
        waiting = false
        request = null
        connection?.close()
        connection = null
    }

    private fun connect() {
        val request = request ?: return
        if (connection != null) return
        waiting = false
        try {
            val cameras = manager.usableCameras()
            if (cameras.isEmpty()) return report(CameraProblem.NONE_FOUND)
            val position = request.position % cameras.size
            val camera = cameras[position]
            val opening = Connection(camera, request.texture, analyser.openReader(camera.frame))
            connection = opening
            main.post { listener?.onCamera(cameras, position) }
            manager.openCamera(camera.id, opening, handler)
        } catch (error: CameraAccessException) {
            fail(connection, problemOf(error))
        } catch (_: SecurityException) {  // the permission was taken back a moment ago
            fail(connection, CameraProblem.NOT_ALLOWED)
        } catch (_: IllegalArgumentException) {  // the camera was unplugged a moment ago
            fail(connection, CameraProblem.FAILED)
        }
    }

    private fun fail(failed: Connection?, problem: CameraProblem) {
        failed?.close()
        if (failed !== connection) return
        connection = null
        waiting = problem == CameraProblem.IN_USE
        report(problem)
    }

    private fun report(problem: CameraProblem) {
        main.post { listener?.onCameraProblem(problem) }
    }

    /** Tries again once a camera has become free and stays so for a moment. */
    private val availability = object : CameraManager.AvailabilityCallback() {
        override fun onCameraUnavailable(id: String) {
            unavailable += id
            handler.removeCallbacks(retry)
        }

        override fun onCameraAvailable(id: String) {
            if (!unavailable.remove(id) || !waiting) return
            handler.removeCallbacks(retry)  // cameras of one device become free together
            handler.postDelayed(retry, RETRY_MILLIS)
        }
    }

    /** One camera from opening to closing, with what it writes to. */
    private inner class Connection(
        private val camera: Camera,
        private val texture: SurfaceTexture,
        private val reader: ImageReader,
    ) : CameraDevice.StateCallback() {
        private val preview = Surface(texture)
        private var device: CameraDevice? = null
        private var closed = false

        override fun onOpened(device: CameraDevice) {
            this.device = device
            if (closed) return device.close()
            attempt {
                // At the last moment: the view sets its own size whenever it is laid out.
                texture.setDefaultBufferSize(camera.frame.width, camera.frame.height)
                // Deprecated, but its successor came with API 28 and does the same.
                @Suppress("DEPRECATION")
                device.createCaptureSession(listOf(preview, reader.surface), session, handler)
            }
        }

        override fun onDisconnected(device: CameraDevice) {
            this.device = device
            fail(this, CameraProblem.IN_USE)
        }

        override fun onError(device: CameraDevice, error: Int) {
            this.device = device
            fail(this, problemOf(error))
        }

        /** Closes the camera before what it writes to; again is no harm. */
        fun close() {
            device?.close()
            if (closed) return
            closed = true
            preview.release()
            analyser.closeReader(reader)
        }

        private val session = object : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                if (closed) return
                attempt {
                    val frames = session.device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                    frames.addTarget(preview)
                    frames.addTarget(reader.surface)
                    if (camera.focusesContinuously) {
                        frames[CaptureRequest.CONTROL_AF_MODE] =
                            CameraMetadata.CONTROL_AF_MODE_CONTINUOUS_PICTURE
                    }
                    session.setRepeatingRequest(frames.build(), null, handler)
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) =
                fail(this@Connection, CameraProblem.FAILED)
        }

        private inline fun attempt(action: () -> Unit) {
            try {
                action()
            } catch (error: CameraAccessException) {
                fail(this, problemOf(error))
            } catch (_: IllegalStateException) {  // closed a moment ago; whoever did that has said why
                fail(this, CameraProblem.FAILED)
            } catch (_: IllegalArgumentException) {  // the preview is gone: the screen is being left
                fail(this, CameraProblem.FAILED)
            }
        }
    }
}

private fun problemOf(error: CameraAccessException) = when (error.reason) {
    CameraAccessException.CAMERA_IN_USE,
    CameraAccessException.MAX_CAMERAS_IN_USE,
    CameraAccessException.CAMERA_DISCONNECTED -> CameraProblem.IN_USE
    CameraAccessException.CAMERA_DISABLED -> CameraProblem.DISABLED
    else -> CameraProblem.FAILED
}

private fun problemOf(error: Int) = when (error) {
    CameraDevice.StateCallback.ERROR_CAMERA_IN_USE,
    CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE -> CameraProblem.IN_USE
    CameraDevice.StateCallback.ERROR_CAMERA_DISABLED -> CameraProblem.DISABLED
    else -> CameraProblem.FAILED
}
