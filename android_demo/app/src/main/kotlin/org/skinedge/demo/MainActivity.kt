package org.skinedge.demo

import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle
import android.view.View
import android.widget.Button
import android.widget.ImageView
import android.widget.Switch

private const val PICK_PHOTO = 2
private const val PHOTO = "photo"
private const val POSITION = "cameraPosition"

/** The one screen: the live camera, or a photo, and what the model makes of it. */
class MainActivity : Activity(), FrameAnalyser.Listener, CameraFeed.Listener {
    private lateinit var photoView: ImageView
    private lateinit var overlay: OverlayView
    private lateinit var attention: Switch
    private lateinit var cameraButton: Button
    private lateinit var panel: ResultPanel
    private lateinit var notice: Notice
    private lateinit var permission: CameraPermission
    private lateinit var analyser: FrameAnalyser
    private lateinit var feed: CameraFeed
    private lateinit var preview: LivePreview

    private var asset: ModelAsset? = null
    private var started = false

    /** The photo shown instead of the camera. */
    private var photo: Uri? = null

    private var cameraPosition = 0
    private var cameraWanted = false

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.activity_main)
        val root = findViewById<View>(R.id.root)
        root.padForSystemBars()
        photoView = findViewById(R.id.photo)
        overlay = findViewById(R.id.overlay)
        attention = findViewById(R.id.attention)
        cameraButton = findViewById(R.id.camera)
        panel = ResultPanel(root)
        notice = Notice(root)
        permission = CameraPermission(this, notice, saved)
        photo = saved?.getString(PHOTO)?.let(Uri::parse)
        cameraPosition = saved?.getInt(POSITION) ?: 0

        attention.setOnCheckedChangeListener { _, checked -> overlay.attentionShown = checked }
        findViewById<View>(R.id.pick_photo).setOnClickListener {
            if (!pickPhoto(PICK_PHOTO)) notice.show(getString(R.string.no_picker))
        }
        findViewById<View>(R.id.about).setOnClickListener {
            startActivity(Intent(this, AboutActivity::class.java))
        }
        analyser = FrameAnalyser(applicationContext, this)
        feed = CameraFeed(applicationContext, analyser, this)
        preview = LivePreview(findViewById(R.id.preview), feed, analyser, ::startCamera)
    }

    override fun onStart() {
        super.onStart()
        started = true
        preview.start()
    }

    override fun onResume() {
        super.onResume()
        startCamera()
    }

    override fun onStop() {
        preview.stop()
        started = false
        stopCamera()
        super.onStop()
    }

    override fun onDestroy() {
        analyser.silence()
        feed.shutDown()
        super.onDestroy()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        permission.save(state)
        state.putString(PHOTO, photo?.toString())
        state.putInt(POSITION, cameraPosition)
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<String>, results: IntArray) {
        permission.onResult(requestCode, results)
        startCamera()
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val picked = data?.data
        if (requestCode == PICK_PHOTO && resultCode == RESULT_OK && picked != null) showPhoto(picked)
    }

    // The model

    override fun onModel(asset: ModelAsset) {
        if (!asset.matches) return onModelFailure(getString(R.string.model_mismatch))
        this.asset = asset
        attention.visibility = if (asset.file.mapWidth > 0) View.VISIBLE else View.GONE
        overlay.attentionShown = attention.isChecked
        val photo = photo
        if (photo == null) showCamera() else showPhoto(photo)
    }

    override fun onModelFailure(message: String) {
        panel.clear("")
        notice.show(message)
        findViewById<View>(R.id.pick_photo).isEnabled = false
    }

    // The live view

    private fun showCamera() {
        photo = null
        photoView.visibility = View.GONE
        photoView.setImageBitmap(null)
        cameraButton.visibility = View.GONE
        overlay.overNothing()
        panel.clear(getString(R.string.starting))
        notice.hide()
        startCamera()
    }

    /** Opens the camera as soon as everything it needs is there; whatever comes last calls this. */
    private fun startCamera() {
        if (!started || asset == null || photo != null || cameraWanted) return
        if (!packageManager.hasSystemFeature(PackageManager.FEATURE_CAMERA_ANY)) {
            panel.clear("")
            return notice.show(getString(R.string.no_camera))
        }
        if (!permission.granted) {
            panel.clear("")
            return permission.ask()
        }
        val texture = preview.texture ?: return
        notice.hide()
        cameraWanted = true
        feed.open(texture, cameraPosition)
    }

    private fun stopCamera() {
        feed.close()
        cameraWanted = false
        preview.camera = null
    }

    private fun switchCamera() {
        cameraPosition++
        stopCamera()
        showCamera()
    }

    override fun onCamera(cameras: List<Camera>, position: Int) {
        if (!cameraWanted) return
        preview.camera = cameras[position]
        cameraPosition = position
        overlay.overPreview(mirrored = cameras[position].facesUser)
        cameraButton.setText(R.string.switch_camera)
        cameraButton.setOnClickListener { switchCamera() }
        cameraButton.visibility = if (cameras.size > 1) View.VISIBLE else View.GONE
        notice.hide()
    }

    override fun onCameraProblem(problem: CameraProblem) {
        if (!cameraWanted) return
        preview.camera = null
        overlay.overNothing()
        panel.clear("")
        notice.show(getString(problem.text), R.string.try_again) {
            stopCamera()
            showCamera()
        }
    }

    override fun onReading(reading: Reading) {
        val file = asset?.file ?: return
        if (preview.camera == null) return
        panel.showLive(file, reading)
        overlay.setMap(reading.colours, file.mapWidth, file.mapHeight)
        announce(reading)
    }

    override fun onFrameFailure(message: String) {
        if (preview.camera == null) return
        panel.clear("")
        notice.show(message)
    }

    // A photo

    private fun showPhoto(uri: Uri) {
        stopCamera()
        photo = uri
        photoView.setImageBitmap(null)
        photoView.visibility = View.VISIBLE
        cameraButton.setText(R.string.to_camera)
        cameraButton.setOnClickListener { showCamera() }
        cameraButton.visibility = View.VISIBLE
        overlay.overNothing()
        notice.hide()
        panel.clear(getString(R.string.reading_photo))
        if (asset != null) analyser.recognise(uri)
    }

    override fun onPhoto(uri: Uri, picture: Bitmap, reading: Reading) {
        val file = asset?.file ?: return
        if (uri != photo) return
        photoView.setImageBitmap(picture)
        overlay.overPhoto(picture.width, picture.height)
        overlay.setMap(reading.colours, file.mapWidth, file.mapHeight)
        panel.showPhoto(file, reading)
        announce(reading)
    }

    override fun onPhotoFailure(uri: Uri, message: String) {
        if (uri != photo) return
        panel.clear("")
        notice.show(message)
    }

    private fun announce(reading: Reading) {
        val label = asset?.file?.labels?.get(reading.top[0]) ?: return
        overlay.announce(getString(R.string.most_probable, label.name))
    }
}
